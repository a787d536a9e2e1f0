"""Log records -> lines on standard error, for people or as JSON."""

import logging
from typing import Literal, TypeAlias

from botberi_gateway.logs import JsonFormatter

LogFormat: TypeAlias = Literal["text", "json"]


def configure(log_format: LogFormat, level: str) -> None:
    """Write log lines to standard error; standard output belongs to the results of commands."""
    handler = logging.StreamHandler()
    if log_format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Uvicorn's own lines repeat ours.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
