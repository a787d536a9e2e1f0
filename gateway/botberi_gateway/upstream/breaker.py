"""A circuit breaker: outcomes of requests to a subgraph -> whether the next one is sent.

Closed, it lets all requests through. When too many of the last seconds failed or were slow it opens: requests fail at
once, which leaves the subgraph time to recover. After a while (half open) a few are tried: if they succeed it closes,
if one fails it opens again.
"""

import logging
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from botberi_gateway import errors
from botberi_gateway.config import BreakerConfig
from botberi_gateway.errors import SubgraphError

logger = logging.getLogger(__name__)

#: The window moves in steps of its length divided by this.
_STEPS: Final = 10


class CircuitState(StrEnum):
    """What a breaker does with the next request."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class _Step:
    """The outcomes within one step of the window."""

    __slots__ = ("failed", "number", "slow", "total")

    def __init__(self) -> None:
        self.number = -1
        self.total = self.failed = self.slow = 0


class Breaker:
    """The breaker of one subgraph."""

    def __init__(self, subgraph: str, config: BreakerConfig, clock: Callable[[], float]) -> None:
        """`clock` gives seconds, as the event loop's does."""
        self._subgraph, self._config, self._clock = subgraph, config, clock
        self._steps = [_Step() for _ in range(_STEPS)]
        self._step_seconds = config.window_seconds / _STEPS
        self._opened_at: float | None = None
        self._trials = self._succeeded = 0
        #: How often it has opened.
        self.openings = 0

    @property
    def state(self) -> CircuitState:
        """What happens to the next request."""
        if self._opened_at is None:
            return CircuitState.CLOSED
        waited = self._clock() - self._opened_at
        return CircuitState.OPEN if waited < self._config.open_seconds else CircuitState.HALF_OPEN

    def admit(self) -> bool:
        """Let a request through; whether it is a trial, which `record` or `abandon` has to be called with.

        Raises `SubgraphError` where the request isn't to be sent.
        """
        state = self.state
        if state is CircuitState.CLOSED:
            return False
        if state is CircuitState.HALF_OPEN and self._trials < self._config.max_trial_requests:
            self._trials += 1
            return True
        message = f"Subgraph {self._subgraph!r} failed too often and is not asked for a while."
        raise SubgraphError(self._subgraph, message, code=errors.SUBGRAPH_CIRCUIT_OPEN)

    def abandon(self, *, trial: bool) -> None:
        """A request was cancelled, which says nothing about the subgraph."""
        if trial:
            self._trials -= 1

    def record(self, *, failed: bool, seconds: float, trial: bool) -> None:
        """A request has ended after so many seconds."""
        slow = seconds >= self._config.slow_seconds
        if trial:
            self._trials -= 1
            self._judge_trial(failed=failed or (slow and self._config.max_slow_share < 1.0))
        elif self._opened_at is None:
            self._count(failed=failed, slow=slow)

    def _judge_trial(self, *, failed: bool) -> None:
        if self.state is not CircuitState.HALF_OPEN:
            return  # another trial has decided
        if failed:
            self._open()
            return
        self._succeeded += 1
        if self._succeeded >= self._config.max_trial_requests:
            self._opened_at = None
            self._steps = [_Step() for _ in range(_STEPS)]
            logger.info("subgraph %s: its circuit breaker is closed again", self._subgraph)

    def _count(self, *, failed: bool, slow: bool) -> None:
        number = int(self._clock() / self._step_seconds)
        step = self._steps[number % _STEPS]
        if step.number != number:
            step.number, step.total, step.failed, step.slow = number, 0, 0, 0
        step.total += 1
        step.failed += failed
        step.slow += slow
        if not failed and not slow:
            return
        within = [step for step in self._steps if number - step.number < _STEPS]
        total = sum(step.total for step in within)
        if total < self._config.min_requests:
            return
        too_many_failed = sum(step.failed for step in within) >= total * self._config.max_failure_share
        if (failed and too_many_failed) or (
            slow and sum(step.slow for step in within) >= total * self._config.max_slow_share
        ):
            self._open()

    def _open(self) -> None:
        self._opened_at = self._clock()
        self._succeeded = 0
        self.openings += 1
        logger.warning("subgraph %s: its circuit breaker is open for %g s", self._subgraph, self._config.open_seconds)
