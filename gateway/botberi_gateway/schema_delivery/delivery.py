"""A graph's configuration -> a gateway, kept up to date: places are looked at again, and what changed is served.

An update that can't be served is refused with its errors, and the old graph stays.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from botberi_gateway.config import EngineConfig, GraphConfig
from botberi_gateway.engine import CompositionError, Gateway
from botberi_gateway.errors import GatewayError
from botberi_gateway.schema_delivery.assembly import SUPERGRAPH, Assembled, assemble, places_of
from botberi_gateway.schema_delivery.places import SchemaUnavailable
from botberi_gateway.schema_delivery.state import SchemaState

logger = logging.getLogger(__name__)

#: The pause before places that were down at the start are looked at again, with `wait`; it doubles.
_FIRST_PAUSE_SECONDS: Final = 0.5
#: How long the thread that composes may hold the interpreter while the event loop waits for it. With CPython's default
#: of 5 ms each step of a request waited so long: p50 went from 3 ms to 9 ms.
_SWITCH_INTERVAL_SECONDS: Final = 0.0005

#: Writes composition's errors for people: subgraphs' SDLs by name, and the errors -> text.
Report = Callable[[Mapping[str, str], Sequence[Any]], str]


class _ShortTurns:
    """While graphs are composed, the interpreter changes threads more often; several graphs may be at it at once."""

    def __init__(self) -> None:
        self._composing = 0
        self._usual = 0.0

    def __enter__(self) -> None:
        if not self._composing:
            self._usual = sys.getswitchinterval()
            sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
        self._composing += 1

    def __exit__(self, *_: object) -> None:
        self._composing -= 1
        if not self._composing:
            sys.setswitchinterval(self._usual)


#: The interval is the process'. Entered on the event loop alone.
_SHORT_TURNS: Final = _ShortTurns()


class DeliveryError(Exception):
    """No graph can be served from the start. `problems` are pairs of a code and a sentence."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("\n".join(f"{code}: {message}" for code, message in problems))
        self.problems = tuple(problems)


@dataclass(slots=True)
class DeliveryStatus:
    """The state of one graph's delivery."""

    #: Why the newest graph isn't served, or None.
    refused: str | None = None
    #: Subgraphs (and "supergraph") whose place can't be read now, and why; the last SDL is served, if there is one.
    unavailable: dict[str, str] = field(default_factory=dict)
    #: Updates that were served after the start.
    applied: int = 0
    #: Updates that were refused.
    refusals: int = 0
    #: When the graph that is served now came, in seconds since 1970.
    updated_at: float = 0.0

    def warnings(self) -> dict[str, str]:
        """Warnings for an operator, by what they are about; requests are served all the same.

        Anyone can read them, so they hold no address and no schema text: the log says why.
        """
        problems = {f"schema of {name}": "it can't be read, its last one is served" for name in self.unavailable}
        if self.refused is not None:
            problems["graph"] = "the newest graph is refused, the log says why"
        return problems


class SchemaDelivery:
    """One graph's places, what they gave, and the gateway that serves it."""

    def __init__(
        self, graph: GraphConfig, engine: EngineConfig, *, name: str = "", report: Report | None = None
    ) -> None:
        """`name` is the graph's among several; `report` writes composition's errors."""
        self.status = DeliveryStatus()
        #: The configuration that is in use.
        self.graph = graph
        self.engine = engine
        self._name = name
        self._write_report = report or _plain_report
        self._places = places_of(graph, engine)
        self._state = SchemaState(graph.state_folder, name)
        self._texts: dict[str, str] = {}
        self._failures: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._composer: Any = None
        self._assembled: Assembled | None = None
        self._changing = asyncio.Lock()
        self._woken = asyncio.Event()

    @property
    def texts(self) -> Mapping[str, str]:
        """The SDLs as they were read last."""
        return self._texts

    def report(self, problems: Sequence[Any]) -> str:
        """Composition's errors about the SDLs that were read last, as text."""
        return self._write_report(self._texts, problems)

    async def begin(self, **options: Any) -> Gateway:
        """The gateway over the graph as it is now; `options` are those of `Gateway`.

        Raises `DeliveryError` where an SDL can't be had, `CompositionError` and other `GatewayError`s.
        """
        await self._first_texts()
        self._assembled = await asyncio.to_thread(self._assemble, self.graph, self.engine, self._texts)
        gateway = Gateway(self._assembled.supergraph, self._assembled.clients, config=self.engine, **options)
        self.status.updated_at = time.time()
        await asyncio.to_thread(self._state.keep, dict(self._texts))
        return gateway

    async def begin_in_any_case(self, **options: Any) -> Gateway:
        """As `begin`, but where there is no graph yet the gateway serves an empty one, until there is: for development.

        What is wrong is in `status` and in the log.
        """
        from botberi_gateway.composition import Subgraph, compose
        from botberi_gateway.upstream.mock import mock_client

        sdl = "type Query { thereIsNoGraphYet: String }"
        empty = compose([Subgraph("empty", sdl)]).supergraph
        assert empty is not None
        gateway = Gateway(empty, {"empty": mock_client("empty", sdl)}, config=self.engine, **options)
        for code, message in (await self._read(list(self._places), at_start=True)).values():
            logger.error("%s: %s", code, message)
        if self._texts:
            async with self._changing:
                await self._update(gateway)
        return gateway

    async def _first_texts(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            problems = await self._read(list(self._places), at_start=True)
            if not problems:
                return
            waits = self.graph.wait and all(not self._places[name].is_local for name in problems)
            if not waits:
                raise DeliveryError([problems[name] for name in sorted(problems)])
            for _, message in problems.values():
                logger.warning("waiting: %s", message)
            await asyncio.sleep(pause)
            pause = min(pause * 2, self.graph.max_backoff_seconds)

    async def _read(self, names: Sequence[str], *, at_start: bool = False) -> dict[str, tuple[str, str]]:
        """Look at places. Returns the code and message of those that have nothing to be served, by name."""
        missing: dict[str, tuple[str, str]] = {}
        for name, answer in zip(names, await asyncio.gather(*(self._one(name) for name in names)), strict=True):
            shown = name or "supergraph"
            if isinstance(answer, str):
                if self.status.unavailable.pop(shown, None) is not None:
                    logger.info("the schema of %s is there again", shown)
                self._failures.pop(name, None)
                self._texts[name] = answer
                continue
            self._failures[name] = self._failures.get(name, 0) + 1
            was_known = shown in self.status.unavailable
            self.status.unavailable[shown] = str(answer)
            if name not in self._texts:
                last = self._state.last(name) if at_start else None
                if last is None:
                    missing[name] = (answer.code, str(answer))
                    continue
                self._texts[name] = last
                logger.warning("%s The last known SDL of %s is served.", answer, shown)
            elif not was_known:
                logger.warning("%s The present SDL stays.", answer)
        return missing

    async def _one(self, name: str) -> str | SchemaUnavailable:
        try:
            return await self._places[name].read()
        except SchemaUnavailable as error:
            return error
        except Exception as error:
            logger.exception("the schema of %s could not be read", name or "supergraph")
            return SchemaUnavailable(f"The schema of {name or 'supergraph'} could not be read: {error}.")

    def _assemble(
        self, graph: GraphConfig, engine: EngineConfig, texts: Mapping[str, str], present: Assembled | None = None
    ) -> Assembled:
        if self._composer is None and SUPERGRAPH not in texts:
            from botberi_gateway.composition import Composer

            self._composer = Composer()
        return assemble(graph, engine, texts, self._composer, present)

    async def run(self, gateway: Gateway) -> None:
        """Keep the gateway up to date until this is cancelled."""
        while True:
            names = self._due_now()
            if names:
                async with self._changing:
                    before = dict(self._texts)
                    await self._read([name for name in names if name in self._places])
                    if self._texts != before:
                        await self._update(gateway)
            self._woken.clear()
            wait = min((due - time.monotonic() for due in self._due.values()), default=None)
            with suppress(TimeoutError):
                async with asyncio.timeout(None if wait is None else max(wait, 0.01)):
                    await self._woken.wait()

    async def change(self, gateway: Gateway, graph: GraphConfig, engine: EngineConfig) -> str | None:
        """Take another configuration into use. Returns why it can't be; then nothing changes."""
        if (graph, engine) == (self.graph, self.engine):
            return None
        async with self._changing:
            before = self.graph, self.engine, self._places, self._state, dict(self._texts)
            kept = self._same_places(graph)
            places = places_of(graph, engine)
            self._places = {name: self._places[name] if name in kept else place for name, place in places.items()}
            self.graph, self.engine, self._state = graph, engine, SchemaState(graph.state_folder, self._name)
            self._texts = {name: text for name, text in self._texts.items() if name in kept}
            missing = await self._read([name for name in self._places if name not in kept])
            problem = "\n".join(f"{code}: {message}" for code, message in missing.values())
            if not problem:
                earlier = self.status.refused, self.status.refusals
                if not await self._update(gateway):
                    # It counts as a refused configuration, not as a refused graph.
                    problem = self.status.refused or ""
                    self.status.refused, self.status.refusals = earlier
            if problem:
                self.graph, self.engine, self._places, self._state, self._texts = before
            known = {name or "supergraph" for name in self._texts}
            self.status.unavailable = {name: why for name, why in self.status.unavailable.items() if name in known}
        self.look_now()
        return problem or None

    def _same_places(self, graph: GraphConfig) -> set[str]:
        """Names of the SDLs whose place is the same in this graph."""
        if graph.max_sdl_bytes != self.graph.max_sdl_bytes:
            return set()
        if graph.supergraph.is_set or self.graph.supergraph.is_set:
            return {SUPERGRAPH} if graph.supergraph == self.graph.supergraph else set()
        return {name for name, subgraph in graph.subgraphs.items() if self.graph.subgraphs.get(name) == subgraph}

    def look_now(self) -> None:
        """Look at every place again at once."""
        self._due = dict.fromkeys(self._places, 0.0)
        self._woken.set()

    def _due_now(self) -> list[str]:
        now = time.monotonic()
        due = []
        self._due = {name: at for name, at in self._due.items() if name in self._places}
        for name, place in self._places.items():
            interval = self.graph.watch_interval_seconds if place.is_local else self.graph.poll_interval_seconds
            if name in self._due and self._due[name] <= now:
                due.append(name)
                del self._due[name]
            if interval and name not in self._due:
                failures = 0 if place.is_local else self._failures.get(name, 0)
                slowest = max(interval, self.graph.max_backoff_seconds)
                self._due[name] = now + min(interval * 2 ** min(failures, 20), slowest)
        return due

    async def _update(self, gateway: Gateway) -> bool:
        """Serve the SDLs as they are now, or refuse them. Returns whether they are served."""
        texts, graph = dict(self._texts), self.graph
        try:
            with _SHORT_TURNS:
                assembled = await asyncio.to_thread(self._assemble, graph, self.engine, texts, self._assembled)
                await gateway.replace(
                    assembled.supergraph,
                    assembled.clients,
                    config=self.engine,
                    warm_operations=graph.warm_operations,
                    warm_timeout_seconds=graph.warm_timeout_seconds,
                )
        except CompositionError as error:
            return self._refuse(f"The subgraphs do not compose:\n{self._write_report(texts, error.errors)}")
        except GatewayError as error:
            return self._refuse(f"{error.code}: {error.message}")
        except Exception:
            logger.exception("a new graph could not be taken into service")
            return self._refuse("A new graph could not be taken into service; the log says why.")
        self._assembled = assembled
        self.status.refused = None
        self.status.applied += 1
        self.status.updated_at = time.time()
        logger.info("a new graph is served%s", f" as {self._name}" if self._name else "")
        await asyncio.to_thread(self._state.keep, texts)
        return True

    def _refuse(self, reason: str) -> bool:
        self.status.refused = reason.rstrip()
        self.status.refusals += 1
        logger.error("a new graph is refused, the present one stays. %s", reason)
        return False


def _plain_report(_: Mapping[str, str], problems: Sequence[Any]) -> str:
    return "\n".join(str(problem) for problem in problems)
