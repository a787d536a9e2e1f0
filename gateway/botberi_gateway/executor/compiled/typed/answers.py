"""A fetch's operation -> the struct types that its answer is parsed into.

What a program relies on is checked while the bytes are read.
"""

import keyword
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, cast

import msgspec
from graphql import (
    GraphQLEnumType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLOutputType,
    OperationType,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from botberi_gateway.codec import may_round
from botberi_gateway.executor.compiled.layout import Layout
from botberi_gateway.executor.compiled.source import Unsupported
from botberi_gateway.executor.compiled.walking import TYPENAME
from botberi_gateway.executor.selection import Selections
from botberi_gateway.executor.shape import Conditions, Keys, is_included
from botberi_gateway.plan import Fetch, Selected, SelectedField
from botberi_gateway.upstream.port import Read

_INT: Final = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
_EXACT_INT: Final = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
#: From 1e16 on msgspec writes exponents otherwise than orjson.
_FLOAT: Final = Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)] | _EXACT_INT
_BUILT_IN: Final[Mapping[str, Any]] = {"String": str, "ID": str, "Int": _INT, "Boolean": bool, "Float": _FLOAT}
#: Most custom scalars are texts or numbers; others don't fit.
_CUSTOM: Final = str | bool | _FLOAT


@dataclass(slots=True, eq=False)
class Objects:
    """What a fetch selects of the objects at one place.

    Response key -> its type (None for `__typename`) and what is selected below.
    """

    kind: GraphQLObjectType
    fields: dict[str, tuple[GraphQLOutputType | None, "Objects | None"]] = field(default_factory=dict)
    #: The keys in the order of the client's selection there, others behind them; None until it is projected.
    order: tuple[str, ...] | None = None
    #: An entity: a key that was not asked for may contradict the representation, so it doesn't fit.
    is_entity: bool = False
    #: Its struct type; made when the order is known.
    struct: type | None = None

    def put_in_order(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """The order, which who comes first decides."""
        if self.order is None:
            first = [key for key in wanted if key in self.fields]
            self.order = (*first, *(key for key in self.fields if key not in wanted))
        return self.order


class Answers:
    """Of one layout: what each fetch selects, for each `Keys` of its answer."""

    def __init__(self, layout: Layout, client: Selections) -> None:
        """Raises `Unsupported`."""
        self._layout = layout
        self._client = client
        self._objects: dict[int, Objects] = {}
        #: Fetch -> what its answer's `data` is: of entities one for each `_entities` field.
        self._tops: dict[int, list[Objects]] = {}
        for number, fetch in layout.fetches.items():
            self._tops[number] = self._top(fetch)

    def of(self, keys: Keys) -> Objects:
        """What is selected of objects with these keys. Raises `Unsupported`."""
        objects = self._objects.get(id(keys))
        if objects is None:
            raise Unsupported("objects whose type isn't known")
        return objects

    def _top(self, fetch: Fetch) -> list[Objects]:
        layout, schema = self._layout, self._layout.schema
        if fetch.renames:
            raise Unsupported("renamed fields")
        reader = _Reader(self._client, layout.conditions)
        if fetch.id in layout.roots:
            kind = schema.get_root_type(OperationType(fetch.kind))
            if kind is None:
                raise Unsupported("no root type")
            top = reader.read(fetch.selections, kind)
            self._pair(layout.roots[fetch.id], top)
            return [top]
        tops = []
        below = {field.key: field.selections for field in fetch.selections if isinstance(field, SelectedField)}
        for table in layout.tables[fetch.id]:
            if table.entities is None:
                raise Unsupported("a root type below the root")
            if table.entities.contexts:
                raise Unsupported("contextual arguments")
            (choice, *others) = table.entities.representations
            kind = schema.get_type(next(iter(choice.types)))  # type: ignore[assignment]
            if others or len(choice.types) != 1 or not isinstance(kind, GraphQLObjectType):
                raise Unsupported("entities of several types")
            if choice.typename not in (None, kind.name):
                raise Unsupported("entities by another name")
            top = reader.read(below[table.entities.response_key], kind)
            top.is_entity = True
            self._pair(table.keys, top)
            tops.append(top)
        return tops

    def _pair(self, keys: Keys, objects: Objects) -> None:
        self._objects[id(keys)] = objects
        for key, below in keys.below.items():
            inner = objects.fields.get(key, (None, None))[1]
            if inner is not None:
                self._pair(below, inner)

    def reader(self, fetch: Fetch) -> tuple[type, Read]:
        """The type of the answer's `data`, and what reads it; after all places were put in order."""
        tops = self._tops[fetch.id]
        if fetch.id in self._layout.roots:
            data = self.struct(tops[0])
        else:
            data = _struct(
                tuple(
                    (entities.response_key, list[self.struct(top) | None])  # type: ignore[misc]
                    for entities, top in zip(fetch.entities, tops, strict=True)
                )
            )
        decode: Callable[[bytes | bytearray], Any] = msgspec.json.Decoder(_answer(data)).decode
        exact = fetch.id in self._layout.exact

        def read(body: bytes | bytearray) -> tuple[Any, Any]:
            try:
                answer = decode(body)
            except (msgspec.MsgspecError, RecursionError) as error:
                raise ValueError("an answer of another shape") from error
            if answer.errors is not msgspec.UNSET or (exact and may_round(body)):
                raise ValueError("errors, or numbers that must keep every digit")
            return answer.data, answer.extensions

        return data, read

    def struct(self, objects: Objects) -> type:
        """Where the client's order was never asked for, the fetch's own."""
        if objects.struct is None:
            fields = []
            for key in objects.order or tuple(objects.fields):
                kind, below = objects.fields[key]
                inner = None if below is None else self.struct(below)
                fields.append((key, Literal[objects.kind.name] if kind is None else _annotation(kind, inner)))
            objects.struct = _struct(tuple(fields), closed=objects.is_entity)
        return objects.struct


class _Reader:
    """A fetch's selections -> the objects that they are of."""

    def __init__(self, client: Selections, conditions: Conditions) -> None:
        self._client = client
        self._conditions = conditions

    def read(self, selections: Sequence[Selected], kind: GraphQLObjectType) -> Objects:
        """Objects of one type. Raises `Unsupported`."""
        fields: dict[str, list[SelectedField]] = {}
        self._collect(selections, kind, fields)
        objects = Objects(kind)
        for key, merged in fields.items():
            name = merged[0].name
            if name == TYPENAME:
                objects.fields[key] = None, None
                continue
            definition = kind.fields.get(name)
            if definition is None:
                raise Unsupported("a field that the client's schema doesn't have")
            named = get_named_type(definition.type)
            if is_leaf_type(named):
                objects.fields[key] = definition.type, None
            elif isinstance(named, GraphQLObjectType):
                below = [inner for field in merged for inner in field.selections]
                objects.fields[key] = definition.type, self.read(below, named)
            else:
                raise Unsupported("objects of an abstract type")
        return objects

    def _collect(
        self, selections: Sequence[Selected], kind: GraphQLObjectType, into: dict[str, list[SelectedField]]
    ) -> None:
        for selected in selections:
            if not is_included(selected, self._conditions):
                continue
            if isinstance(selected, SelectedField):
                into.setdefault(selected.key, []).append(selected)
            elif selected.type_name is None or self._client.applies(selected.type_name, kind):
                self._collect(selected.selections, kind, into)


@lru_cache(maxsize=4096)
def attribute(key: str) -> str:
    """The attribute that has the value of a response key; no two keys share one."""
    if key == TYPENAME:
        return "typename_"
    if key.startswith("__") or key.endswith("_") or keyword.iskeyword(key):
        return f"k{key.encode().hex()}_"
    return key


def _annotation(kind: GraphQLOutputType, below: type | None) -> Any:
    non_null = is_non_null_type(kind)
    inner = kind.of_type if is_non_null_type(kind) else kind
    found: Any
    if is_list_type(inner):
        found = list[_annotation(inner.of_type, below)]  # type: ignore[misc]
    elif below is not None:
        found = below
    else:
        found = _leaf(cast(GraphQLNamedType, inner))
    return found if non_null else found | None


@lru_cache(maxsize=1024)
def _values(names: tuple[str, ...]) -> Any:
    return Literal[names]


def _leaf(kind: GraphQLNamedType) -> Any:
    """Only what needs no coercion fits."""
    if isinstance(kind, GraphQLEnumType):
        return _values(tuple(kind.values))
    return _BUILT_IN.get(kind.name, _CUSTOM)


@lru_cache(maxsize=1024)
def _struct(fields: tuple[tuple[str, Any], ...], closed: bool = False) -> type:
    """Equal selections share a type. Without a part in garbage collection: answers are trees."""
    return msgspec.defstruct(
        "Selected",
        [(attribute(key), kind, msgspec.field(name=key)) for key, kind in fields],
        gc=False,
        forbid_unknown_fields=closed,
    )


@lru_cache(maxsize=1024)
def _answer(data: type) -> type:
    unset = msgspec.UNSET
    return msgspec.defstruct("Answer", [("data", data), ("errors", Any, unset), ("extensions", Any, unset)], gc=False)


@lru_cache(maxsize=1024)
def projected(keys: tuple[str, ...]) -> type:
    """The type of an object of the response that is made of several answers, or of part of one."""
    return msgspec.defstruct("Projected", [(attribute(key), Any, msgspec.field(name=key)) for key in keys], gc=False)
