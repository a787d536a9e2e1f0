"""Two subgraphs and an event bus that a test feeds.

There are subscriptions of states (`jobUpdated`, `jobsOf`) and of rows (`lines`).
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from botberi_gateway.config import EngineConfig, EventSourceConfig
from botberi_gateway.engine import Gateway, GraphQLRequest, RequestContext, SubgraphSource
from botberi_gateway.errors import SubgraphError
from botberi_gateway.subscriptions import SourceEvent
from botberi_gateway.upstream import SubgraphRequest, SubgraphResponse

HEAD = """
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@composeDirective", "@shareable"])
    @link(url: "https://specs.botberi.dev/events/v1.0", import: ["@eventSource"]) @composeDirective(name: "@eventSource")
  directive @eventSource(
    topics: [String!]! where: [String!]! = [] version: String until: String snapshot: Boolean! = false feed: String
  ) on FIELD_DEFINITION
"""
JOBS = (
    HEAD
    + """
  type Query { job(id: ID!): Job }
  type Subscription {
    jobUpdated(id: ID!, after: ID): Job
      @eventSource(topics: ["job.*"], where: ["id=$id"], version: "version", until: "done", snapshot: true)
    jobsOf(teams: [String!], state: String = "any"): Job
      @eventSource(topics: ["job.*", "task.{$state}"], where: ["team=$teams?", "kind=\\"job\\""], version: "version")
    lines(id: ID!, after: String): Line
      @eventSource(topics: ["line.added"], where: ["id=$id"], feed: "job(id: $id) { log(first: 2, after: $after) }", until: "job.done")
  }
  type Job @key(fields: "id") { id: ID! version: Int! done: Boolean! EXTRA log(first: Int, after: String): LineConnection! }
  type Line { number: Int! text: String machine: Machine }
  type Machine @key(fields: "id") { id: ID! }
  type LineEdge { cursor: String! node: Line }
  type LineConnection { edges: [LineEdge!]! pageInfo: PageInfo! }
  type PageInfo { endCursor: String hasNextPage: Boolean! }
"""
)
MACHINES = (
    HEAD.split('@link(url: "https://specs.botberi')[0]
    + """
  type Query { machine: Machine }
  type Machine @key(fields: "id") { id: ID! name: String }
"""
)


class Bus:
    """Events that a test sends, to everybody who follows."""

    def __init__(self) -> None:
        self.followers: dict[asyncio.Queue[SourceEvent | Exception], Sequence[str]] = {}

    def send(self, item: SourceEvent | Exception) -> None:
        for queue in self.followers:
            queue.put_nowait(item)

    @asynccontextmanager
    async def follow(self, topics: Sequence[str]) -> AsyncIterator[AsyncIterator[SourceEvent]]:
        queue: asyncio.Queue[SourceEvent | Exception] = asyncio.Queue()
        self.followers[queue] = topics

        async def events() -> AsyncIterator[SourceEvent]:
            while True:
                item = await queue.get()
                if isinstance(item, Exception):
                    raise item
                yield item

        try:
            yield events()
        finally:
            del self.followers[queue]


class Jobs:
    """The subgraph `jobs`: one job per id, with a version, an end, and lines."""

    def __init__(self) -> None:
        self.version = 1
        self.done = False
        self.lines: list[str] = []
        self.requests: list[SubgraphRequest] = []
        self.down = False
        self.missing = False

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        self.requests.append(request)
        await asyncio.sleep(0.005)
        if self.down:
            raise SubgraphError("jobs", "down")
        if "_entities" in request.operation:
            jobs = [
                {"id": r["id"], "version": self.version, "done": self.done, "extra": "x"}
                for r in request.variables["representations"]
            ]
            return SubgraphResponse({"_entities": jobs})
        if self.missing:
            return SubgraphResponse({"job": None})
        after = int(next((v for k, v in request.variables.items() if k.startswith("feedAfter")), None) or 0)
        # The end is read first, as the real one does: what is written before it is then in the page.
        done, rows = self.done, list(enumerate(self.lines, 1))[after:]
        edges = [
            {
                "cursor": str(n),
                "node": {"number": n, "text": text, "n": n, "machine": {"__typename": "Machine", "id": "m"}},
            }
            for n, text in rows[:2]
        ]
        info = {"endCursor": edges[-1]["cursor"] if edges else None, "hasNextPage": len(rows) > 2}
        return SubgraphResponse({"job": {"done": done, "log": {"edges": edges, "pageInfo": info}}})

    def subscribe(self, request: SubgraphRequest) -> Any:
        raise NotImplementedError

    async def aclose(self) -> None:
        return


class Machines(Jobs):
    """The subgraph `machines`."""

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        self.requests.append(request)
        return SubgraphResponse({"_entities": [{"name": "big"} for _ in request.variables["representations"]]})


class Graph:
    """A gateway over both, and what is behind it."""

    def __init__(self, **limits: Any) -> None:
        self.bus, self.jobs, self.machines = Bus(), Jobs(), Machines()
        source = EventSourceConfig(loss_timeout_seconds=0.3)
        self.gateway = Gateway.from_subgraphs(
            self.sources(), event_source=self.bus, config=EngineConfig(event_source=source, **limits)
        )

    def sources(
        self, jobs: str = JOBS.replace("EXTRA", "extra: String"), client: Any = None
    ) -> Mapping[str, SubgraphSource]:
        return {
            "jobs": SubgraphSource(jobs, client=client or self.jobs),
            "machines": SubgraphSource(MACHINES, client=self.machines),
        }

    async def results(self, query: str, variables: Any = None, **context: Any) -> Any:
        return await self.gateway.subscribe(GraphQLRequest(query, variables=variables or {}), RequestContext(**context))

    def tell(self, id: str = "7", topic: str = "job.updated", **attributes: Any) -> None:
        self.bus.send(SourceEvent(topic, {"id": id}, {"id": id, "kind": "job", **attributes}))

    def line(self, text: str) -> None:
        self.jobs.lines.append(text)
        self.tell(topic="line.added")
