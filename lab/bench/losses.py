"""`lab bench losses`: an operation over four subgraphs, some failing -> CPU of compiled code and of the interpreter."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from graphql import build_schema

from botberi_gateway.errors import SubgraphError
from botberi_gateway.executor import Compiled, Environment, ExecutorKind, Runtime
from botberi_gateway.operation import prepare
from botberi_gateway.operation.limits import UNLIMITED
from botberi_gateway.plan import (
    Entities,
    Fetch,
    KeyField,
    ListItems,
    Parallel,
    Plan,
    Representation,
    SelectedField,
    SelectedFragment,
    Sequence,
)
from botberi_gateway.upstream import SubgraphClient, SubgraphRequest, SubgraphResponse

ITEMS: Final = 300
ROUNDS: Final = 15
SDL: Final = "type Query { items: [Item] } type Item { id: ID! name: String price: Int stock: Int shipping: String }"
Outcome = SubgraphResponse | SubgraphError


class _Canned:
    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        if isinstance(self._outcome, SubgraphError):
            raise self._outcome
        return self._outcome

    def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        raise NotImplementedError

    async def aclose(self) -> None:
        return


def _more(number: int, subgraph: str, field: str, *keys: str) -> Fetch:
    by_keys = Representation(frozenset({"Item"}), "Item", tuple(KeyField(key, key) for key in keys))
    operation = (
        "query($representations: [_Any!]!) { _entities(representations: $representations) "
        f"{{ ... on Item {{ {field} }} }} }}"
    )
    selected = SelectedFragment("Item", (SelectedField(field, field),))
    return Fetch(
        number,
        subgraph,
        operation,
        (SelectedField("_entities", "_entities", (selected,)),),
        entities=(Entities((("items", ListItems()),), (by_keys,)),),
    )


#: c's fields stand alone; d needs the price that b gives.
PLAN: Final = Plan(
    "query",
    Sequence(
        (
            Fetch(
                0,
                "a",
                "{ items { __typename id name } }",
                (SelectedField("items", "items", tuple([SelectedField(k, k) for k in ("__typename", "id", "name")])),),
            ),
            Parallel((_more(1, "b", "price", "id"), _more(2, "c", "stock", "id"))),
            _more(3, "d", "shipping", "id", "price"),
        )
    ),
)


def _entities(field: str, *, lost: int = 0, nulled: int = 0, left: int = ITEMS) -> SubgraphResponse:
    """Every so many-th entity is null, or its field, with an error."""
    found: list[Any] = []
    errors: list[Mapping[str, Any]] = []
    for index in range(left):
        if lost and index % lost == 0:
            found.append(None)
            errors.append({"message": "no", "path": ["_entities", index]})
        elif nulled and index % nulled == 0:
            found.append({field: None})
            errors.append({"message": "no", "path": ["_entities", index, field]})
        else:
            found.append({field: index if field != "shipping" else str(index)})
    return SubgraphResponse({"_entities": found}, errors)


def _scenes() -> dict[str, tuple[Outcome, Outcome, Outcome]]:
    b, c, d = _entities("price"), _entities("stock"), _entities("shipping")
    down = SubgraphError("x", "connection refused")
    return {
        "nothing": (b, c, d),
        "c refuses connections": (b, down, d),
        "c answers errors without data": (b, SubgraphResponse(None, [{"message": "no"}]), d),
        "b refuses, d can't be asked": (down, c, d),
        "b, c and d refuse": (down, down, down),
        "a third of b's entities": (
            _entities("price", lost=3),
            c,
            _entities("shipping", left=ITEMS - len(range(0, ITEMS, 3))),
        ),
        "a third of b's fields": (_entities("price", nulled=3), c, d),
    }


async def measure() -> None:
    """Prints a Markdown table."""
    logging.disable(logging.CRITICAL)
    operation = prepare(build_schema(SDL), "{ items { id name price stock shipping } }", None, UNLIMITED)
    compiled = Compiled(PLAN, operation)
    items = [{"__typename": "Item", "id": str(index), "name": f"item {index}"} for index in range(ITEMS)]
    first = SubgraphResponse({"items": items})
    best: dict[str, dict[ExecutorKind, float]] = {}
    clients: dict[str, dict[str, SubgraphClient]] = {
        name: {subgraph: _Canned(outcome) for subgraph, outcome in zip("abcd", (first, *outcomes), strict=True)}
        for name, outcomes in _scenes().items()
    }
    for name in clients:
        await compiled.execute({}, Runtime(Environment(clients[name], executor=ExecutorKind.BOTH)))
    for _ in range(ROUNDS):
        for name in clients:
            for kind in (ExecutorKind.COMPILED, ExecutorKind.INTERPRETED):
                began = time.process_time()
                (await compiled.execute({}, Runtime(Environment(clients[name], executor=kind)))).to_bytes()
                took = time.process_time() - began
                known = best.setdefault(name, {})
                known[kind] = min(known.get(kind, took), took)
    print(
        f"| lost ({ITEMS} items) | compiled, ms | interpreter, ms | ratio | against nothing lost |\n"
        "|---|---:|---:|---:|---:|"
    )
    whole = best["nothing"][ExecutorKind.COMPILED]
    for name, times in best.items():
        mine, theirs = times[ExecutorKind.COMPILED], times[ExecutorKind.INTERPRETED]
        print(f"| {name} | {mine * 1e3:.2f} | {theirs * 1e3:.2f} | {theirs / mine:.1f} | {mine / whole:.1f} |")


def main() -> None:
    """CPU of one execution over subgraphs of which some fail, compiled and interpreted."""
    asyncio.run(measure())


if __name__ == "__main__":
    main()
