"""A `Fetch` -> everything about its requests that doesn't change.

That is the body's bytes around the variables, and how entities are checked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson
from graphql import GraphQLSchema

from botberi_gateway.codec import encode
from botberi_gateway.executor.compiled.layout import Table
from botberi_gateway.executor.identity import identifiers
from botberi_gateway.plan import Fetch
from botberi_gateway.upstream.port import Read, Spending, SubgraphRequest

Objects: TypeAlias = Sequence[Mapping[str, Any]]
#: (representations, entities) -> whether each entity may be what was asked for. A no is looked at again by the
#: interpreter.
Check: TypeAlias = Callable[[Objects, Objects], bool]


@dataclass(frozen=True, slots=True)
class Asked:
    """One `_entities` field of a request.

    Which of the plan's it is, its response key there, and for each representation the row in the table.
    """

    number: int
    key: str
    representations: Sequence[dict[str, Any]]
    rows: Sequence[int]


def head(operation: str, name: str | None) -> bytes:
    """The beginning of a request's JSON, up to the variables."""
    begun = b'{"query":' + orjson.dumps(operation)
    return begun if name is None else begun + b',"operationName":' + orjson.dumps(name)


class Step:
    """One fetch of a program. Shared by all its requests; never changed after compiling."""

    __slots__ = ("_constant", "_open", "_variables", "checks", "fetch", "id", "keys", "kind", "read", "subgraph")

    def __init__(self, fetch: Fetch, tables: Sequence[Table], schema: GraphQLSchema) -> None:
        self.fetch = fetch
        self.id = fetch.id
        self.kind = fetch.kind
        self.subgraph = fetch.subgraph
        #: In which form the program wants its answers, if not as dictionaries.
        self.read: Read | None = None
        opened = head(fetch.operation, fetch.operation_name)
        self._constant = opened + b"}"
        self._open = opened + b',"variables":{'
        #: For each `_entities` field its response key, and what its entities must agree with.
        self.keys = tuple(entities.response_key for entities in fetch.entities)
        self.checks = tuple(_check(table, schema) for table in tables)
        self._variables = tuple(b'"%s":' % entities.variable.encode() for entities in fetch.entities)

    def asked(self, batches: Sequence[list[dict[str, Any]]]) -> list[Asked]:
        """The `_entities` fields of the request that was sent with these."""
        return [
            Asked(number, key, batch, range(len(batch)))
            for number, (key, batch) in enumerate(zip(self.keys, batches, strict=True))
        ]

    def representations(self, batches: Sequence[Any]) -> Sequence[Sequence[dict[str, Any]]]:
        """The representations of the request that was sent with these, for each `_entities` field."""
        return [one.representations for one in self.asked(batches)]

    def body(self, given: Mapping[str, Any], batches: Sequence[list[dict[str, Any]]]) -> bytes:
        """The request's JSON, the same bytes as `upstream.answer.request_body` gives. Raises `CodecError`."""
        fetch = self.fetch
        parts: list[bytes] = []
        if fetch.variables:
            own = {name: given[name] for name in fetch.variables if name in given}
            if own:
                parts.append(encode(own)[1:-1])
        for name, representations in zip(self._variables, batches, strict=True):
            parts.append(name + encode(representations))
        if not parts:
            return self._constant
        return self._open + b",".join(parts) + b"}}"

    def request(
        self,
        given: Mapping[str, Any],
        batches: Sequence[list[dict[str, Any]]],
        headers: Mapping[str, str],
        timeout: float,
        spending: Spending | None = None,
    ) -> SubgraphRequest:
        """The same for a client that takes no bytes."""
        fetch = self.fetch
        variables = {name: given[name] for name in fetch.variables if name in given}
        for entities, representations in zip(fetch.entities, batches, strict=True):
            variables[entities.variable] = representations
        return SubgraphRequest(fetch.operation, variables, fetch.operation_name, fetch.kind, headers, timeout, spending)


def _check(table: Table, schema: GraphQLSchema) -> tuple[Check, int | None]:
    """The check, and how many keys an entity has that can't fail it (None: any may)."""
    names: set[str] = set()
    for choice in table.entities.representations if table.entities is not None else ():
        names |= choice.types if choice.typename is None else {choice.typename}
    repeated = {
        name: tuple(key for key in identifiers(schema, name) if key not in table.keys.aliased) for name in names
    }

    def check(asked: Objects, entities: Objects) -> bool:
        for representation, entity in zip(asked, entities, strict=True):
            typename = representation["__typename"]
            if entity.get("__typename", typename) != typename:
                return False
            for key in repeated.get(typename, ()):
                wanted, got = representation.get(key), entity.get(key)
                if wanted != got and wanted is not None and got is not None and str(wanted) != str(got):
                    return False
        return True

    asked_for = {key for keys in repeated.values() for key in keys} | {"__typename"}
    return check, None if any(key in table.keys for key in asked_for) else len(table.keys.below)
