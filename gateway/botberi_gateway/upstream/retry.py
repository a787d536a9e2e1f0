"""Whether and when a request that failed is sent again."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from botberi_gateway.backoff import pause_after
from botberi_gateway.config import RetryConfig
from botberi_gateway.errors import ConnectionFailed, SubgraphError
from botberi_gateway.plan import OperationKind
from botberi_gateway.upstream.answer import retry_after_of
from botberi_gateway.upstream.port import RefusedResponse, SubgraphResponse


class Retries:
    """The retries of one subgraph, and their budget: a share of its requests, so that they can't multiply its load."""

    def __init__(self, config: RetryConfig) -> None:
        self._config = config
        self._tokens = float(config.max_retry_burst)
        self._statuses = frozenset(config.statuses)
        #: Requests that were sent again.
        self.count = 0

    def requested(self) -> None:
        """A request begins, which adds to the budget."""
        self._tokens = min(self._tokens + self._config.max_retry_share, float(self._config.max_retry_burst))

    def pause(
        self, attempt: int, kind: OperationKind, outcome: SubgraphResponse | SubgraphError, time_left: float
    ) -> float | None:
        """Seconds to wait before the next attempt; None where the outcome counts. `attempt` is the number made.

        Takes from the budget.
        """
        config = self._config
        if attempt >= config.max_attempts or self._tokens < 1 or not self._may_repeat(kind, outcome):
            return None
        pause = pause_after(attempt, config.first_backoff_seconds, config.max_backoff_seconds)
        pause *= random.uniform(0.5, 1.0)  # noqa: S311
        asked = _retry_after(outcome)
        if asked is not None:
            if asked > config.retry_after_timeout_seconds:
                return None
            pause = max(pause, asked)
        if pause >= time_left:
            return None
        self._tokens -= 1
        self.count += 1
        return pause

    def _may_repeat(self, kind: OperationKind, outcome: SubgraphResponse | SubgraphError) -> bool:
        if isinstance(outcome, ConnectionFailed):
            return True  # nothing was sent
        if kind != "query":
            return False
        return isinstance(outcome, SubgraphError | RefusedResponse) and outcome.status in self._statuses


def _retry_after(outcome: SubgraphResponse | SubgraphError) -> float | None:
    """Seconds that the subgraph asks to wait for."""
    text = outcome.retry_after if isinstance(outcome, SubgraphError) else retry_after_of(outcome.headers)
    return None if text is None else seconds_of(text, lambda: datetime.now(UTC))


def seconds_of(text: str, now: Callable[[], datetime]) -> float | None:
    """`Retry-After` (seconds or a date, RFC 9110, section 10.2.3) -> seconds; None where it is neither."""
    if text.isascii() and text.isdigit():
        return float(text[:10])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now()).total_seconds())
