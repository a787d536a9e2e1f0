"""The response as data: each object with the answers that it is made of, and where each of its fields comes from.

`lowering` decides it, writers say it in Python: `project` reads without looking, `careful` knows paths, null
propagation and deferred fields.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from graphql import FieldNode, GraphQLNamedType, GraphQLOutputType

from botberi_gateway.executor.compiled.blame import Giver
from botberi_gateway.executor.compiled.layout import KeyPath, Origin
from botberi_gateway.executor.deferral import DeferUsage, Details, UsageSet


@dataclass(frozen=True, slots=True)
class Blame:
    """Whose fault it is where a field is missing: `only` has it and no other answer may.

    `base` is the object itself, and `giver` says why its entity is missing, where both are simple.
    """

    only: Origin
    base: Origin | None = None
    giver: Giver | None = None


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf, or lists of leaves, from the first of `sources` that has it and isn't null; without any it is missing."""

    key: str
    name: str
    declared: GraphQLOutputType
    sources: tuple[Origin, ...]
    blame: Blame | None = None


@dataclass(frozen=True, slots=True)
class Child:
    """An object, or lists of objects, which each of `sources` has a part of; without any it is missing."""

    key: str
    name: str
    declared: GraphQLOutputType
    sources: tuple[Origin, ...]
    #: None without sources.
    target: "Target | None" = None
    #: How many fields are below one item of a list.
    fields: int = 0
    blame: Blame | None = None


@dataclass(frozen=True, slots=True)
class Typename:
    """`__typename`: what the object is found to be."""

    key: str


@dataclass(frozen=True, slots=True)
class Introspected:
    """`__schema` or `__type` at the root."""

    key: str
    nodes: list[FieldNode]


@dataclass(frozen=True, slots=True)
class WithheldField:
    """A field that no subgraph is asked for on purpose: null."""

    key: str


@dataclass(frozen=True, slots=True)
class UnknownField:
    """A field that the type of the object doesn't have."""

    key: str


Member: TypeAlias = Leaf | Child | Typename | Introspected | WithheldField | UnknownField


@dataclass(slots=True, eq=False)
class Fields:
    """What the client gets of objects of one type: now, and later by the deferred fragments that begin here."""

    kind: GraphQLNamedType
    members: Sequence[Member] = ()
    begun: Sequence[DeferUsage] = ()
    later: "Sequence[Later]" = ()
    #: Fields are deferred of objects whose type isn't known: nothing is decided here.
    is_undecided: bool = False


@dataclass(slots=True, eq=False)
class Object:
    """Objects of a declared object type (or of an interface of which no more is known) at one position.

    `base` are the parts that are at hand where the object is met; `origins` adds entities' rows, in plan order.
    """

    position: KeyPath
    kind: GraphQLNamedType
    base: tuple[Origin, ...]
    origins: tuple[Origin, ...]
    fields: Fields
    #: The table by whose rows the object is projected once, as its representation decides all that is selected.
    once_per: Origin | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What objects that are called by one of `names` (None: nothing is known) become."""

    names: tuple[str | None, ...]
    fields: Fields
    #: Whether `__typename` is what the object is called; else it is the name of the fields' type.
    by_name: bool


@dataclass(slots=True, eq=False)
class Abstract:
    """Objects of an interface or a union at one position. See `Object`."""

    position: KeyPath
    kind: GraphQLNamedType
    base: tuple[Origin, ...]
    origins: tuple[Origin, ...]
    choices: Sequence[Choice] = ()
    #: Whether the answer depends on the type of an object of which only the interface is known.
    type_matters: bool = False


Target: TypeAlias = Object | Abstract


@dataclass(slots=True, eq=False)
class Later:
    """A group of fields that come later, for these fragments; `order` is the fragments' in the document.

    `number` is the group's among those that have a function: of others (None) more answers give the object than are
    known now.
    """

    number: int | None
    kind: GraphQLNamedType
    usages: UsageSet
    order: Sequence[DeferUsage]
    fields: Details
    target: Object | None = None
