"""What one directive of the federation specification is, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from botberi_gateway.federation.versions import Version


class Merge(Enum):
    """How applications on one element in several subgraphs become those of the supergraph's element."""

    #: Each choice of arguments once.
    EACH = auto()
    #: Once, without arguments.
    ONCE = auto()
    #: The only argument is a list of alternatives (any) of requirements (all); the result fulfils every subgraph's.
    ALL_REQUIRED = auto()
    #: The larger number, both lists, a switch only if it is on everywhere.
    COSTLIEST = auto()
    #: Kept as `@join__directive`, which says what subgraph has it.
    BY_SUBGRAPH = auto()
    #: `composition/merge/context.py` merges it.
    CONTEXT = auto()


@dataclass(frozen=True, slots=True)
class Definition:
    """The text of a definition after the directive's name, with the specification's names (`FieldSet`, `Scope`, …)."""

    since: Version
    sdl: str
    in_federation_1: bool = False


@dataclass(frozen=True, slots=True)
class Composed:
    """How a directive stands in the supergraph: under a specification of its own.

    `sdl` is the definition there; a directive that is kept by subgraph has a link and no definition. `scalar` is a type
    that the definition names. `beside` are further definitions that come with it, name -> text. The values of
    the argument `names_arguments` are names of the field's arguments.
    """

    identity: str
    version: Version
    sdl: str
    merge: Merge
    purpose: str | None = None
    scalar: str | None = None
    beside: Mapping[str, str] = field(default_factory=dict)
    names_arguments: str | None = None


@dataclass(frozen=True, slots=True, init=False)
class SpecifiedDirective:
    """A directive: its definitions from the oldest to the newest, and how composition carries it to the supergraph."""

    name: str
    definitions: tuple[Definition, ...]
    composed: Composed | None

    def __init__(self, name: str, *definitions: Definition, composed: Composed | None = None) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "definitions", definitions)
        object.__setattr__(self, "composed", composed)

    def definition(self, version: Version) -> Definition | None:
        """The newest that is not newer than a schema's version; None where the version does not have the directive."""
        if version.major < 2:
            return next((d for d in self.definitions if d.in_federation_1), None)
        return next((d for d in reversed(self.definitions) if d.since <= version), None)

    @property
    def since(self) -> Version:
        """The first version of the federation specification that has it."""
        return self.definitions[0].since
