"""Write an audit line: who ran which mutation from where, and how it ended, as one line of JSON each.

```yaml
plugins:
  - use: examples.audit_line:AuditLine
    options: {file: /var/log/botberi/audit.jsonl}
```
"""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

from botberi_gateway.plugins import IncomingRequest, OutgoingResponse, Plugin


class AuditLine(Plugin):
    """Writes the line before the client gets the answer: what can't be written isn't answered."""

    def __init__(self, file: str) -> None:
        self._file = Path(file)

    async def on_request(self, request: IncomingRequest) -> None:
        """Remember where the request came from."""
        request.state["address"] = request.address

    async def on_response(self, response: OutgoingResponse) -> None:
        """Write the line of a mutation. Values of variables may be secret: only their names are written."""
        operation = response.operation
        if operation.kind != "mutation":
            return
        line = {
            "time": datetime.now(UTC).isoformat(),
            "subject": operation.subject,
            "address": operation.state.get("address"),
            "operation": operation.name,
            "variables": sorted(operation.variables),
            "errors": [error.code for error in response.errors],
        }
        await asyncio.to_thread(self._append, json.dumps(line) + "\n")

    def _append(self, line: str) -> None:
        with self._file.open("a") as file:
            file.write(line)
