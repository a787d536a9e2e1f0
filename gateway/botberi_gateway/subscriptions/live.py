"""A running subscription: who subscribes, and what it runs on, which may be replaced while it runs."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botberi_gateway.errors import GatewayError
from botberi_gateway.executor.compiled import Compiled
from botberi_gateway.executor.runtime import Runtime
from botberi_gateway.executor.state import Execution
from botberi_gateway.operation import Operation
from botberi_gateway.plan import Subscription, Withheld
from botberi_gateway.subscriptions.fresh_flight import FreshSingleFlight
from botberi_gateway.subscriptions.router import EventRouter


@dataclass(frozen=True, slots=True)
class Events:
    """Where the events of a gateway's subscriptions come from, and how many are resolved at the same time."""

    router: EventRouter | None = None
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(64))


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Who subscribes to events, and after which one."""

    events: Events = field(default_factory=Events)
    #: Who calls, as `@subject` in `where` conditions; None for an anonymous caller.
    subject: str | None = None
    #: After which event the client resumes, where its transport says so.
    last_event_id: str | None = None
    #: Shared by equal subscriptions of equal identity.
    single_flight: FreshSingleFlight[Any] = field(default_factory=FreshSingleFlight)


@dataclass(frozen=True, slots=True)
class FeedPlan:
    """The query of a trigger's feed, ready to run."""

    compiled: Compiled
    operation: Operation


@dataclass(frozen=True, slots=True)
class Stage:
    """Plan, operation, variables and runtime of a subscription, until its supergraph is replaced."""

    node: Subscription
    operation: Operation
    variables: Mapping[str, Any]
    runtime: Runtime
    subscriber: Subscriber
    feed: FeedPlan | None = None
    #: For a subgraph's own events.
    compiled: Compiled | None = None
    #: The fields that the plan withholds.
    withheld: tuple[Withheld, ...] = ()

    def execution(self) -> Execution:
        """An execution for an event."""
        return Execution(self.operation, self.variables, self.runtime, self.withheld)


class Live:
    """A running subscription. The results' generator reads `stage`; `move` replaces it, `end` ends the subscription."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.failure: GatewayError | None = None
        #: Set by a generator that can go on with another stage.
        self.on_change: Callable[[], None] | None = None
        #: The task that waits in `interruptible`, and whether `end` has interrupted it.
        self._task: asyncio.Task[Any] | None = None
        self._is_interrupted = False

    def move(self, stage: Stage) -> None:
        """Go on with other plans and clients."""
        self.stage = stage
        if self.on_change is not None:
            self.on_change()

    def end(self, failure: GatewayError) -> None:
        """The failure is the last result."""
        self.failure = failure
        if self.on_change is not None:
            self.on_change()
        if self._task is not None and not self._is_interrupted:
            self._is_interrupted = True
            self._task.cancel()

    async def interruptible(self, pull: Callable[[], Any]) -> Any:
        """`await pull()`, but raise the failure when it comes."""
        if self.failure is not None:
            raise self.failure
        task = self._task = asyncio.current_task()
        assert task is not None
        cancelling = task.cancelling()
        try:
            return await pull()
        except asyncio.CancelledError:
            if not self._is_interrupted or task.uncancel() > cancelling or self.failure is None:
                raise  # somebody else cancelled the task
            raise self.failure from None
        finally:
            self._task = None
