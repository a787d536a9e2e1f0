"""A subgraph's transports -> one that repeats requests, spreads them, and holds them back while the subgraph fails.

It stands in front of the transports only where the configuration asks for one of these (`needs_traffic_rules`).
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from botberi_gateway import errors
from botberi_gateway.config import SubgraphConfig
from botberi_gateway.errors import SubgraphError, SubgraphQueueFull
from botberi_gateway.plan import OperationKind
from botberi_gateway.upstream.balance import Address, Balancer
from botberi_gateway.upstream.breaker import Breaker
from botberi_gateway.upstream.port import (
    Answer,
    CountedAnswer,
    RefusedResponse,
    SubgraphResponse,
    TaskAnswer,
)
from botberi_gateway.upstream.retry import Retries


class Transport(Protocol):
    """Encoded requests to one address."""

    def start(
        self, body: bytes, kind: OperationKind, headers: Mapping[str, str], timeout: float
    ) -> asyncio.Future[SubgraphResponse]:
        """See `EncodedClient.start`."""
        ...

    async def aclose(self) -> None:
        """Close connections; requests that are under way fail."""
        ...


def needs_traffic_rules(config: SubgraphConfig) -> bool:
    """Whether more stands between a request and its connection than the connection's own limits."""
    return (
        config.retry.max_attempts > 1
        or config.breaker.enabled
        or len(config.balancing.urls) > 1
        or config.timeout_header is not None
        or config.response_timeout_seconds < config.timeout_seconds
    )


class TrafficTransport:
    """Sends each request by the rules of the configuration."""

    def __init__(self, name: str, transports: Sequence[Transport], config: SubgraphConfig) -> None:
        self.name = name
        self._config = config
        self.balancer: Balancer[Transport] = Balancer(name, transports, config.balancing, _time)
        self.breaker = Breaker(name, config.breaker, _time) if config.breaker.enabled else None
        self.retries = Retries(config.retry)

    def start(
        self, body: bytes, kind: OperationKind, headers: Mapping[str, str], timeout: float
    ) -> asyncio.Future[SubgraphResponse]:
        """See `EncodedClient.start`."""
        deadline = _time() + min(timeout, self._config.timeout_seconds)
        return TaskAnswer.of(lambda call: self._send(call, body, kind, headers, deadline))

    async def _send(
        self, call: Answer, body: bytes, kind: OperationKind, headers: Mapping[str, str], deadline: float
    ) -> SubgraphResponse:
        self.retries.requested()
        tried: list[Address[Transport]] = []
        while True:
            address = self.balancer.pick(tried)
            tried.append(address)
            outcome = await self._attempt(address, call, body, kind, headers, deadline)
            pause = self.retries.pause(len(tried), kind, outcome, deadline - _time())
            if pause is None:
                break
            await asyncio.sleep(pause)
        if isinstance(outcome, SubgraphError):
            raise outcome
        return outcome

    async def _attempt(
        self,
        address: Address[Transport],
        call: Answer,
        body: bytes,
        kind: OperationKind,
        headers: Mapping[str, str],
        deadline: float,
    ) -> SubgraphResponse | SubgraphError:
        breaker = self.breaker
        is_trial = False
        if breaker is not None:
            try:
                is_trial = breaker.admit()
            except SubgraphError as error:
                return error
        began = _time()
        seconds = min(deadline - began, self._config.response_timeout_seconds)
        if self._config.timeout_header is not None:
            headers = {**headers, self._config.timeout_header.lower(): str(max(1, int(seconds * 1000)))}
        address.pending += 1
        outcome: SubgraphResponse | SubgraphError | None = None
        try:
            future = address.target.start(body, kind, headers, seconds)
            if isinstance(future, Answer):
                future.read = call.read
            if isinstance(future, CountedAnswer):
                future.spending = call.spending
            outcome = await future
        except SubgraphError as error:
            outcome = error
        finally:
            address.pending -= 1
            if breaker is not None and (outcome is None or isinstance(outcome, SubgraphQueueFull)):
                breaker.abandon(trial=is_trial)
        if not isinstance(outcome, SubgraphQueueFull):
            is_failure = _is_failure(outcome)
            self.balancer.ended(address, failed=is_failure)
            if breaker is not None:
                breaker.record(failed=is_failure, seconds=_time() - began, trial=is_trial)
        return outcome

    async def aclose(self) -> None:
        """Close all transports."""
        for address in self.balancer.addresses:
            await address.target.aclose()


def _is_failure(outcome: SubgraphResponse | SubgraphError) -> bool:
    """Whether an outcome says that the subgraph doesn't work, rather than that it refuses this request."""
    if isinstance(outcome, SubgraphError):
        return outcome.code != errors.SUBGRAPH_HTTP_ERROR or (outcome.status or 500) >= 500
    return isinstance(outcome, RefusedResponse) and outcome.status >= 500


def _time() -> float:
    return asyncio.get_running_loop().time()
