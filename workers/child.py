"""Standard input -> one workflow's run -> JSON lines on standard output. The process that a worker may kill.

In: one line `{"workflow", "parameters", "artifacts"}`, then `{"cancel": true}` at any time; the end of input means that
the worker is gone, and so is this process.
Out: `{"kind": "progress" | "log" | "artifact" | "result" | "cancelled" | "error", …}`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError

from shared_schema.artifacts.port import NAME
from workers.registry import WORKFLOWS
from workers.workflow import Level, RunCancelled, WorkflowInputError

# Error texts are for a person; the whole traceback goes to the log.
MAX_PROBLEMS = 10
# One character more than a line of the log holds, so that the worker sees that there was more.
MAX_MESSAGE = 2_000


@dataclass
class Folder:
    """Folder in which the worker expects a run's files, with the limits that the worker checks again itself."""

    path: str
    max_bytes: int
    max_files: int
    names: set[str] = field(default_factory=set)

    def add(self, name: str, data: bytes) -> None:
        """Write a file, or say why not."""
        if not NAME.fullmatch(name):
            raise ValueError(f"not a name for a file: {name!r}")
        if len(data) > self.max_bytes:
            raise WorkflowInputError(
                "ARTIFACT_TOO_LARGE", f"The file {name} has {len(data)} bytes; {self.max_bytes} at most."
            )
        if len(self.names | {name}) > self.max_files:
            raise WorkflowInputError("TOO_MANY_ARTIFACTS", f"A run makes {self.max_files} files at most.")
        (Path(self.path) / name).write_bytes(data)
        self.names.add(name)


class PipeContext:
    """A workflow's context whose other end is the worker."""

    def __init__(self, output: IO[str], folder: Folder) -> None:
        self._output = output
        self._folder = folder
        self._lock = threading.Lock()
        self.cancelled = threading.Event()

    def progress(self, fraction: float, message: str) -> None:
        self.check_cancelled()
        self.send({"kind": "progress", "fraction": round(min(1.0, max(0.0, fraction)), 4), "message": message[:500]})

    def check_cancelled(self) -> None:
        if self.cancelled.is_set():
            raise RunCancelled

    def log(self, message: str, level: Level = "INFO") -> None:
        self.check_cancelled()
        self.send({"kind": "log", "level": level, "message": message[: MAX_MESSAGE + 1]})

    def artifact(self, name: str, content: str | bytes, content_type: str) -> None:
        self.check_cancelled()
        data = content.encode() if isinstance(content, str) else content
        self._folder.add(name, data)
        self.send({"kind": "artifact", "name": name, "content_type": content_type})

    def send(self, message: dict[str, Any]) -> None:
        with self._lock:
            self._output.write(json.dumps(message, allow_nan=False) + "\n")
            self._output.flush()


def _listen(source: IO[str], context: PipeContext) -> None:
    for line in source:
        if json.loads(line).get("cancel"):
            context.cancelled.set()
    os._exit(3)  # the worker is gone, and with it the only process that could write this run's result


def perform(workflow_slug: str, parameters: dict[str, Any], context: PipeContext) -> dict[str, Any]:
    """Run the workflow and return the message that tells its outcome."""
    workflow = WORKFLOWS.get(workflow_slug)
    if workflow is None:
        return _failure("UNKNOWN_WORKFLOW", f"This worker has no workflow {workflow_slug!r}.", fault="platform")
    try:
        inputs = workflow.input_model.model_validate(parameters)
    except ValidationError as error:
        return _failure("INVALID_PARAMETERS", _problems(error), fault="input")
    try:
        output = workflow.run(inputs, context)
        for file in workflow.files(inputs, output):
            context.artifact(file.name, file.content, file.content_type)
            context.log(f"Made the file {file.name}.")
        return {"kind": "result", "result": output.model_dump(mode="json")}
    except RunCancelled:
        return {"kind": "cancelled"}
    except WorkflowInputError as error:
        where = f" (in {error.path})" if error.path else ""
        return _failure(error.code, f"{error.message}{where}", fault="input")
    except MemoryError:
        return _failure("OUT_OF_MEMORY", "The input needs more memory than a run has.", fault="input")
    except Exception:
        traceback.print_exc(file=sys.stderr)
        return _failure("INTERNAL", "", fault="platform")


def _failure(code: str, message: str, *, fault: str) -> dict[str, Any]:
    return {"kind": "error", "code": code, "message": message, "fault": fault}


def _problems(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False)
    listed = [
        f"{'.'.join(map(str, problem['loc'])) or 'input'}: {problem['msg']}" for problem in problems[:MAX_PROBLEMS]
    ]
    more = f"; and {len(problems) - MAX_PROBLEMS} more" if len(problems) > MAX_PROBLEMS else ""
    return "; ".join(listed) + more


def main() -> int:
    # The protocol gets a descriptor of its own; what a library prints goes to the log.
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    line = sys.stdin.readline()
    if not line:
        return 0  # never needed
    order = json.loads(line)
    context = PipeContext(output, Folder(**order["artifacts"]))
    threading.Thread(target=_listen, args=(sys.stdin, context), daemon=True, name="listen").start()
    outcome = perform(order["workflow"], order["parameters"], context)
    try:
        context.send(outcome)
    except ValueError:  # NaN or infinity in a result: JSON has neither
        traceback.print_exc(file=sys.stderr)
        context.send(_failure("INTERNAL", "", fault="platform"))
    output.flush()
    # Not through interpreter shutdown: a thread is blocked on standard input, and libraries take their time.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
