"""Subgraphs whose answers a test writes down, and a short way to execute a plan on them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import build_schema

from botberi_gateway.codec import encode
from botberi_gateway.executor import ExecutionResult
from botberi_gateway.plan import Plan
from botberi_gateway.upstream import SubgraphRequest, SubgraphResponse
from gateway.tests.support.executing import execute
from gateway.tests.support.operations import operation_of
from gateway.tests.support.runtimes import runtime_of

Answer = Mapping[str, Any] | Exception | Callable[[SubgraphRequest], Any]


@dataclass
class Scripted:
    """Gives its answers in turn, the last for ever; a callable makes the answer, an exception is raised."""

    answers: list[Answer]
    delay: float = 0
    requests: list[SubgraphRequest] = field(default_factory=list)
    given: list[tuple[Any, bytes]] = field(default_factory=list)
    cancelled: int = 0

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        self.requests.append(request)
        answer: Any = self.answers[min(len(self.requests), len(self.answers)) - 1]
        try:
            await asyncio.sleep(self.delay)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, Exception):
            raise answer
        self.given.append((answer, encode(answer)))
        return SubgraphResponse(
            answer.get("data"), answer.get("errors", ()), answer.get("extensions", {}), answer.get("headers", ())
        )

    async def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        self.requests.append(request)
        for answer in self.answers:
            if isinstance(answer, Exception):
                raise answer
            assert isinstance(answer, Mapping)
            yield SubgraphResponse(answer.get("data"), answer.get("errors", ()))

    async def aclose(self) -> None:
        return

    def untouched(self) -> bool:
        """Whether the answers are still as they were given."""
        return all(encode(answer) == before for answer, before in self.given)


async def run(
    sdl: str,
    query: str,
    plan: Plan,
    answers: Mapping[str, Answer | list[Answer] | Scripted],
    variables: Mapping[str, Any] | None = None,
    **runtime: Any,
) -> ExecutionResult:
    """Execute; check what must hold of every execution."""
    clients = {
        name: a if isinstance(a, Scripted) else Scripted(a if isinstance(a, list) else [a])
        for name, a in answers.items()
    }
    operation = operation_of(build_schema(sdl), query)
    result = await execute(plan, operation, variables or {}, runtime_of(clients, **runtime))
    result.to_bytes()
    assert all(client.untouched() for client in clients.values()), "a parsed answer was changed"
    return result


def errors_of(result: ExecutionResult) -> list[tuple[list[str | int] | None, str]]:
    """Path and code of each error."""
    return [(None if e.path is None else list(e.path), e.code) for e in result.errors]
