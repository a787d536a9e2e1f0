"""The running subscriptions of a gateway.

Equal subscriptions of equal callers share the requests that an event leads to. All subscriptions go on when the
supergraph is replaced, where they still can.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Final

from botberi_gateway import errors
from botberi_gateway.engine.planning import Generation, Key, Prepared, Preparer
from botberi_gateway.engine.request import RequestContext
from botberi_gateway.errors import GatewayError
from botberi_gateway.executor import ExecutionResult, Runtime
from botberi_gateway.operation import coerce_variables
from botberi_gateway.plan import EventTrigger, Fetch, Subscription
from botberi_gateway.subscriptions.delivery import fingerprint_of
from botberi_gateway.subscriptions.fresh_flight import FreshSingleFlight
from botberi_gateway.subscriptions.live import Events, Live, Stage, Subscriber
from botberi_gateway.subscriptions.subscribe import follow

logger = logging.getLogger(__name__)

#: How many subscriptions a second are ended by a new supergraph, so that their clients don't all come back at once.
_MAX_ENDED_PER_SECOND: Final = 500

MakeRuntime = Callable[[Generation, RequestContext | None], Runtime]


@dataclass(slots=True, eq=False)
class _Running:
    live: Live
    prepared: Prepared
    sent_variables: Mapping[str, Any]
    context: RequestContext | None


class Subscriptions:
    """Runs prepared subscriptions, and moves running ones to the next supergraph."""

    def __init__(self, preparer: Preparer, runtime: MakeRuntime, events: Events) -> None:
        self._preparer, self._runtime, self._events = preparer, runtime, events
        self._running: dict[_Running, None] = {}
        self._groups: dict[Hashable, FreshSingleFlight[Any]] = {}
        self._moving: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._running)

    async def results(
        self,
        prepared: Prepared,
        sent_variables: Mapping[str, Any],
        context: RequestContext | None,
        coerced: dict[str, Any] | Callable[[], dict[str, Any]],
    ) -> AsyncGenerator[ExecutionResult, None]:
        """Yield the results of a subscription until it completes.

        `sent_variables` are the variables as the client sent them; `coerced` are the same, coerced, or a function that
        coerces them. Raises `RequestError` where they don't fit.
        """
        variables = await self._preparer.work(coerced) if callable(coerced) else coerced
        key = _group_key(prepared, variables, context)
        single_flight: FreshSingleFlight[Any] = FreshSingleFlight()
        if key is not None:
            single_flight = self._groups.setdefault(key, single_flight)
        stage = self._stage(prepared, variables, context, single_flight)
        running = _Running(Live(stage), prepared, sent_variables, context)
        self._running[running] = None
        prepared.generation.running += 1
        try:
            await self._compile(prepared, variables)
            async with aclosing(follow(running.live)) as results:
                async for result in results:
                    yield result
                    del result  # so that nothing holds it until the next event
        finally:
            running.prepared.generation.running -= 1
            del self._running[running]
            if key is not None and not single_flight.members and self._groups.get(key) is single_flight:
                del self._groups[key]

    def move_to(self, generation: Generation) -> None:
        """Let running subscriptions go on with this supergraph, where they still can.

        Of several calls the last one counts.
        """
        if self._moving is not None:
            self._moving.cancel()
        if self._running:
            self._moving = asyncio.get_running_loop().create_task(self._move(generation))

    async def aclose(self) -> None:
        """Stop moving subscriptions."""
        if self._moving is not None:
            self._moving.cancel()
            with suppress(asyncio.CancelledError):
                await self._moving

    def _stage(
        self,
        prepared: Prepared,
        variables: Mapping[str, Any],
        context: RequestContext | None,
        single_flight: FreshSingleFlight[Any],
    ) -> Stage:
        assert isinstance(prepared.plan.node, Subscription)
        runtime = self._runtime(prepared.generation, context)
        runtime.response_headers = None  # an event has none of its own, and a subscription may live for days
        if (
            context is not None
            and context.shared_headers is not None
            and not isinstance(prepared.plan.node.primary, Fetch)
        ):
            # What an event leads to is asked once for all who share it.
            runtime.headers = context.shared_headers
        plan = prepared.plan
        assert isinstance(plan.node, Subscription)
        subject, last_event_id = (None, None) if context is None else (context.subject, context.last_event_id)
        return Stage(
            plan.node,
            prepared.operation,
            variables,
            runtime,
            Subscriber(self._events, subject, last_event_id, single_flight),
            prepared.feed,
            prepared.compiled,
            plan.withheld,
        )

    async def _compile(self, prepared: Prepared, variables: Mapping[str, Any]) -> None:
        """Have the programs for these variables compiled before an event needs them."""
        for compiled in (prepared.compiled, None if prepared.feed is None else prepared.feed.compiled):
            if compiled is not None and compiled.conditions:
                await self._preparer.compile(compiled, variables)

    async def _move(self, generation: Generation) -> None:
        by_key: dict[Key, list[_Running]] = {}
        for running in self._running:
            if running.prepared.generation is not generation:
                by_key.setdefault(running.prepared.key, []).append(running)
        ended = 0
        for key, group in by_key.items():
            prepared, failure = await self._prepared(generation, key)
            for running in group:
                if running not in self._running:
                    continue
                problem = failure or await self._go_on(running, prepared)
                if problem is not None:
                    running.live.end(GatewayError(problem, code=errors.SUBSCRIPTION_SCHEMA_RELOAD))
                    ended += 1
                    if ended % 50 == 0:
                        await asyncio.sleep(50 / _MAX_ENDED_PER_SECOND * random.uniform(0.5, 1.5))  # noqa: S311
        if by_key:
            total = sum(map(len, by_key.values()))
            logger.info("the supergraph was replaced: %d subscriptions go on, %d ended", total - ended, ended)

    async def _prepared(self, generation: Generation, key: Key) -> tuple[Prepared | None, str | None]:
        try:
            return await self._preparer.prepare(generation, key), None
        except GatewayError as error:
            return None, f"The schema was replaced, and this subscription doesn't fit the new one: {error.message}"

    async def _go_on(self, running: _Running, prepared: Prepared | None) -> str | None:
        """Move one subscription to the new supergraph. Returns why it can't go on, or None."""
        assert prepared is not None
        now = running.live.stage.node.primary
        if not isinstance(prepared.plan.node, Subscription) or (
            isinstance(now, EventTrigger) != isinstance(prepared.plan.node.primary, EventTrigger)
        ):
            return "The schema was replaced, and this subscription's events come from elsewhere now: subscribe again."
        if not isinstance(now, EventTrigger):
            # It stays with its subgraph's connection and the clients of its generation, as long as it is valid.
            return None
        if (now.feed is None) != (prepared.plan.node.primary.feed is None):  # type: ignore[union-attr]
            return "The schema was replaced, and this subscription's events come in another way now: subscribe again."
        try:
            variables = coerce_variables(prepared.operation, running.sent_variables)
        except GatewayError as error:
            return f"The schema was replaced, and the variables don't fit the new one: {error.message}"
        with suppress(GatewayError):  # too busy: the first event has it compiled
            await self._compile(prepared, variables)
        if running not in self._running:
            return None
        single_flight = running.live.stage.subscriber.single_flight
        stage = self._stage(prepared, variables, running.context, single_flight)
        running.prepared.generation.running -= 1
        prepared.generation.running += 1
        running.prepared = prepared
        running.live.move(stage)
        return None


def _group_key(prepared: Prepared, variables: Mapping[str, Any], context: RequestContext | None) -> Hashable | None:
    if context is None or context.share is None:
        return None
    return prepared.key, fingerprint_of(dict(sorted(variables.items()))), context.share
