"""Log records as JSON, one object a line: for the gateway, and for programs around it that log in the same form."""

import json
import logging
import time
from typing import Any, Final

#: What every record has; other attributes were given by `extra`.
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def extras_of(record: logging.LogRecord) -> dict[str, Any]:
    """What the record was given by `extra`, without what is None."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD and value is not None}


class JsonFormatter(logging.Formatter):
    """`{"time", "level", "logger", "message", …}`; what a record carries in `extra` becomes fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Overrides `logging.Formatter.format`."""
        entry: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self.fields(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """Further fields of the line."""
        return extras_of(record)
