"""A warning that any client can cause -> one log line in ten seconds, which says how often it was due."""

import logging
import time
from collections.abc import Callable
from typing import Final

_PAUSE_SECONDS: Final = 10.0


class Notice:
    """One kind of warning, which is logged at most once in ten seconds."""

    def __init__(self, logger: logging.Logger, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._next = float("-inf")
        self._unreported = 0

    def warn(self, message: str, *values: object) -> None:
        """Log the warning, or count it where the last line is less than ten seconds old."""
        now = self._clock()
        if now < self._next:
            self._unreported += 1
            return
        self._next = now + _PAUSE_SECONDS
        more, self._unreported = self._unreported, 0
        if more:
            self._logger.warning(message + " (and %d more since the last such line)", *values, more)
        else:
            self._logger.warning(message, *values)
