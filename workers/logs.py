"""Settings -> where and how a worker's log lines go: text or JSON, one line each, to standard error."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from shared_schema.settings import LogSettings

# What a record has of its own; everything else on it was given by `extra=`.
_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in record.__dict__.items() if name not in _OWN and name != "data"}


class TextFormatter(logging.Formatter):
    """`time LEVEL logger message key=value …`, in one line unless there is a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        pairs = " ".join(f"{name}={value}" for name, value in _extras(record).items() if value is not None)
        head, newline, rest = line.partition("\n")
        return f"{head} {pairs}{newline}{rest}" if pairs else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "part": "worker",
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in _extras(record).items() if value is not None},
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


def configure_logging(settings: LogSettings) -> None:
    """Send every log line of this process to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        JsonFormatter()
        if settings.log_format == "json"
        else TextFormatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    )
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for chatty in ("celery.worker.strategy", "celery.app.trace", "amqp", "pgmq", "psycopg"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def brief(error: BaseException) -> str:
    """An error in one line of a log."""
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"[:300]
