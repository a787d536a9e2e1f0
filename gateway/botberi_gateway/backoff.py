"""Pauses between tries, longer after each failure."""

import random
from typing import Final

#: Doublings beyond which a pause isn't computed: 2 to the 30th seconds are 34 years.
_MAX_DOUBLINGS: Final = 30


def pause_after(failures: int, first_seconds: float, max_seconds: float) -> float:
    """Seconds to wait after so many failures in a row: `first_seconds` after one, then twice as long each time."""
    return min(first_seconds * 2.0 ** min(max(failures - 1, 0), _MAX_DOUBLINGS), max_seconds)


class Backoff:
    """The pauses between tries at one thing."""

    def __init__(self, first_seconds: float, max_seconds: float, *, spread: bool = False) -> None:
        """`spread` shortens each pause at random, by up to half.

        Then many processes that lost the same server don't come back in step.
        """
        self._first, self._max, self._spread = first_seconds, max_seconds, spread
        self._failures = 0

    def reset(self) -> None:
        """Begin with the first pause again, after a success."""
        self._failures = 0

    def next(self) -> float:
        """Seconds to wait before the next try."""
        self._failures += 1
        pause = pause_after(self._failures, self._first, self._max)
        return pause * random.uniform(0.5, 1.0) if self._spread else pause  # noqa: S311
