"""The workloads: what is asked of which graph, in rotation, and what the answer has to be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import combinations
from typing import Any

from lab.bench.gateway.graph import Graph
from lab.bench.gateway.graphs import choices, many, own, public
from lab.bench.gateway.oracle import Oracle

#: Becomes a number that no other request has, in the query and in the answer.
MARK = "{{n}}"
ROTATION = 200
#: Connections of each run, as the public benchmark has them; each subscription is one.
CONNECTIONS = 50
#: Events a second of the subscription workload, over all connections.
EVENTS = 1_000


@dataclass(frozen=True)
class Operation:
    """One GraphQL request."""

    query: str
    variables: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        return {"query": self.query, **({"variables": dict(self.variables)} if self.variables else {})}


@dataclass(frozen=True)
class Workload:
    """`has_errors`: answers carry errors besides data. `streams`: subscriptions, whose unit is an event."""

    name: str
    title: str
    graph: str
    operations: tuple[Operation, ...]
    has_errors: bool = False
    streams: bool = False
    #: Requests (or subscriptions) at a time.
    connections: int = CONNECTIONS
    #: A connection of its own for each request.
    churn: bool = False

    @property
    def is_headline(self) -> bool:
        """One of the public benchmark's queries."""
        return self.name in public.QUERIES


def expected(workload: Workload, number: str = "0") -> list[Any]:
    """The data of each operation's answer, with `number` for the mark."""
    oracle = _oracle(workload.graph)
    return [oracle.answer(one.query.replace(MARK, number), one.variables).data for one in workload.operations]


GRAPHS: dict[str, Callable[[], Graph]] = {
    "public": public.graph,
    "own": own.graph,
    "guarded": lambda: replace(own.graph(), name="guarded", guarded=True),
    "slow": lambda: replace(own.graph(), name="slow", delay_ms=50),
    "choices": choices.graph,
    **{f"many{size}": partial(many.graph, size) for size in many.SIZES},
}


@cache
def _oracle(graph: str) -> Oracle:
    return Oracle.of(GRAPHS[graph]())


@cache
def workloads() -> dict[str, Workload]:
    """All, by name, in the order of the tables."""
    return {one.name: one for one in (*_headline(), *_caches(), *_shapes(), *_traffic())}


def _headline() -> list[Workload]:
    return [Workload(name, name, "public", (Operation(public.query(name)),)) for name in public.QUERIES]


def _caches() -> list[Workload]:
    cold = (
        f"query Cold{MARK} {{ a{MARK}: topProducts(first: 3) {{ upc name price shippingEstimate reviews {{ id body "
        f"author {{ id name }} }} }} b{MARK}: me {{ id username reviews {{ id product {{ name inStock }} }} }} }}"
    )
    return [
        Workload("rotation", f"{ROTATION} operations in rotation", "public", rotation(ROTATION)),
        Workload("cold", "every operation a new text", "public", (Operation(cold),)),
    ]


def rotation(count: int) -> tuple[Operation, ...]:
    """Many different operations of about one cost: three products, four of their fields and a selection of reviews.

    Beyond the number of such choices an alias makes the difference.
    """
    fields = ("upc", "name", "price", "weight", "inStock", "shippingEstimate", "__typename")
    reviews = ("id", "body", "id body", "id author { id }", "body author { username }", "id product { upc }")
    choices = [(four, one) for four in combinations(fields, 4) for one in reviews]
    return tuple(
        Operation(
            f"query Rotation{number} {{ p{number // len(choices)}: topProducts(first: 3) "
            f"{{ {' '.join(choices[number % len(choices)][0])} reviews {{ {choices[number % len(choices)][1]} }} }} }}"
        )
        for number in range(count)
    )


def alike(count: int) -> tuple[Operation, ...]:
    """So many different operations of the same cost, an alias making the difference."""
    return tuple(
        Operation(f"query Alike {{ p{number}: topProducts(first: 3) {{ upc name price reviews {{ id body }} }} }}")
        for number in range(count)
    )


def wide(entities: int) -> Operation:
    """A list of entities over three subgraphs."""
    return Operation(
        "query Wide($first: Int!) { items(first: $first) "
        "{ id name size price currency inStock warehouse { city shelf } } }",
        {"first": entities},
    )


def _shapes() -> list[Workload]:
    chain = "query Chain { links(first: 20) { id v0 v5 } }"
    abstract = """query Abstract {
  search { __typename ... on Media { id title } ... on Book { pages author { name } stars }
     ... on Film { minutes stars votes }
    ... on Song { seconds votes } }
  feed { id title ... on Film { stars } related { __typename id title ... on Book { pages stars }
     ... on Song { votes } } }
}"""
    errors = "query Errors { orders(first: 100) { id number total note paid } }"
    mutation = """mutation Add($text: String!) {
  first: addComment(item: "i3", text: $text) { id text item { id name price inStock } }
  second: addComment(item: "i7", text: "again") { id text item { name } }
}"""
    interval = 1000 * CONNECTIONS // EVENTS
    readings = f"subscription Readings {{ readings(everyMs: {interval}, seed: {MARK}) {{ id event at place floor }} }}"
    return [
        Workload("requires", f"a chain of {own.CHAIN} `@requires`, 20 entities", "own", (Operation(chain),)),
        Workload("wide", "1,000 entities over three subgraphs", "own", (wide(1_000),)),
        Workload("abstract", "interface and union of three entities", "own", (Operation(abstract),)),
        Workload("errors", "100 entities, many errors and nulls", "own", (Operation(errors),), has_errors=True),
        Workload(
            "mutation",
            "two mutations, and entities below them",
            "own",
            (Operation(mutation, {"text": "Fine & <good>"}),),
        ),
        Workload(
            "subscription",
            f"{CONNECTIONS} subscriptions, {EVENTS:,} events/s",
            "own",
            (Operation(readings),),
            streams=True,
        ),
    ]


def mix(count: int) -> tuple[Operation, ...]:
    """So many operations of different shapes and variables, as a front end's pages send them."""
    shapes = (
        ("items(first: $n) { id name %s }", ("size", "price currency", "inStock", "warehouse { city shelf }")),
        ("item(id: $id) { id %s }", ("name price", "name inStock warehouse { city }", "size currency")),
        ("orders(first: $n) { id number %s }", ("number", "id")),
        ("links(first: $n) { id %s }", ("v0", "v0 v1", "v2")),
        ("feed { id title %s }", ("related { id }", "... on Film { stars }", "... on Book { pages stars }")),
    )
    choices_of = [(text, more) for text, endings in shapes for more in endings]
    made = []
    for number in range(count):
        text, more = choices_of[number % len(choices_of)]
        variables: dict[str, Any] = {"n": 5 + number} if "$n" in text else {"id": f"i{number}"} if "$id" in text else {}
        declared = {"n": "($n: Int!)", "id": "($id: ID!)"}.get(next(iter(variables), ""), "")
        made.append(Operation(f"query Mix{number}{declared} {{ {text % more} }}", variables))
    return tuple(made)


def _traffic() -> list[Workload]:
    big = " ".join(f"a{n}: items(first: {own.ITEMS - n}) {{ id name size price currency inStock }}" for n in range(6))
    slow = "query Slow { items(first: 5) { id name price inStock } }"
    return [
        Workload(
            "mix",
            "30 clients, 30 operations with variables, an authorization header for each request",
            "guarded",
            mix(30),
            connections=30,
        ),
        Workload("big", "answers of 5 MB, one at a time", "own", (Operation(f"{{ {big} }}"),), connections=1),
        Workload("big10", "the same, ten at a time", "own", (Operation(f"{{ {big} }}"),), connections=10),
        Workload("choices", "seven subgraphs, very many plans", "choices", (Operation(choices.query()),)),
        Workload(
            "choices-new", "the same, every operation new", "choices", (Operation(choices.query(MARK)),), connections=10
        ),
        Workload(
            "slow", "subgraphs that take 50 ms, 1,000 requests at a time", "slow", (Operation(slow),), connections=1_000
        ),
        Workload("churn", "small, a connection for each request", "public", _headline()[-1].operations, churn=True),
    ]
