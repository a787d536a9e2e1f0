"""Subgraphs' answers to one execution -> the same answers for another execution, in another order."""

import asyncio
import random
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from botberi_gateway.codec import encode
from botberi_gateway.errors import SubgraphError
from botberi_gateway.upstream import SubgraphClient, SubgraphRequest, SubgraphResponse
from lab.fuzzing.compare import Mismatch

#: Turns of the event loop that an answer takes: some branches of a plan end before others have begun their second step.
_TURNS: Final = (0, 0, 1, 2, 4, 8, 16, 32)

Asked: TypeAlias = tuple[str, bytes]
Outcome: TypeAlias = SubgraphResponse | SubgraphError


@dataclass
class Tape:
    """Every request of one execution with what became of it."""

    outcomes: dict[Asked, list[Outcome]] = field(default_factory=lambda: defaultdict(list))
    events: dict[Asked, list[SubgraphResponse]] = field(default_factory=lambda: defaultdict(list))

    @property
    def calls(self) -> int:
        """How many requests were made."""
        return sum(map(len, self.outcomes.values()))

    def recording(self, clients: Mapping[str, SubgraphClient]) -> Mapping[str, SubgraphClient]:
        """These clients; what they answer is kept."""
        return {name: _Recorder(name, client, self) for name, client in clients.items()}

    def player(self, seed: int) -> "Player":
        """The answers once more, in an order of this seed's."""
        return Player(self, random.Random(seed))


def _asked(subgraph: str, request: SubgraphRequest) -> Asked:
    return subgraph, encode([request.operation, request.operation_name, dict(request.variables)])


@dataclass(frozen=True)
class _Recorder:
    name: str
    client: SubgraphClient
    tape: Tape

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        outcomes = self.tape.outcomes[_asked(self.name, request)]
        try:
            answer = await self.client.execute(request)
        except SubgraphError as error:
            outcomes.append(error)
            raise
        outcomes.append(answer)
        return answer

    async def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        async for event in self.client.subscribe(request):
            self.tape.events[_asked(self.name, request)].append(event)
            yield event

    async def aclose(self) -> None:
        """Nothing is held."""


class Player:
    """Clients for one execution, and a check that it asked as the tape's did."""

    def __init__(self, tape: Tape, order: random.Random) -> None:
        self._left = {asked: deque(outcomes) for asked, outcomes in tape.outcomes.items()}
        self._events = tape.events
        self._order = order
        self._others: Counter[str] = Counter()

    def clients(self, names: Mapping[str, object]) -> Mapping[str, SubgraphClient]:
        """For subgraphs of these names."""
        return {name: _Replayed(name, self) for name in names}

    async def answer(self, subgraph: str, request: SubgraphRequest) -> SubgraphResponse:
        """Answer that the same request had, after some turns of the loop."""
        left = self._left.get(_asked(subgraph, request))
        outcome = left.popleft() if left else None
        for _ in range(self._order.choice(_TURNS)):
            await asyncio.sleep(0)
        if outcome is None:
            self._others[f"{subgraph}: {request.operation} with {dict(request.variables)}"] += 1
            raise SubgraphError(subgraph, "this was not asked before")
        if isinstance(outcome, SubgraphError):
            raise outcome
        return outcome

    def events(self, subgraph: str, request: SubgraphRequest) -> list[SubgraphResponse]:
        """Events of the same subscription."""
        return self._events[_asked(subgraph, request)]

    def check(self) -> None:
        """Raises `Mismatch` where something else was asked, or less."""
        if self._others:
            raise Mismatch(f"the order of answers decides what is asked: {next(iter(self._others))}")
        if any(self._left.values()):
            left = next(asked for asked, outcomes in self._left.items() if outcomes)
            raise Mismatch(f"the order of answers decides what is asked: not {left}")


@dataclass(frozen=True)
class _Replayed:
    name: str
    player: Player

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        return await self.player.answer(self.name, request)

    async def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        for event in self.player.events(self.name, request):
            yield event

    async def aclose(self) -> None:
        """Nothing is held."""
