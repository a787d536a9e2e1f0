"""A selection as the planner reads it.

It has fields alone, each with the types and conditions that its fragments and directives give it.
"""

from dataclasses import dataclass, field

from graphql import ArgumentNode

from botberi_gateway.planner.conditions import ALWAYS, Conditions


@dataclass(slots=True, eq=False)
class Field:
    """A field that the client or the planner selects.

    `internal` fields are the planner's own (keys, `@requires`, contexts): they aren't in the client's answer.
    """

    #: The response key.
    key: str
    name: str
    #: The type whose selection the field stands in: the parent's, or a fragment's.
    via: str
    #: The concrete types of the parent that the field is selected for; None: every type that the parent can have.
    types: frozenset[str] | None = None
    conditions: Conditions = ALWAYS
    arguments: tuple[ArgumentNode, ...] = ()
    arguments_text: str = ""
    #: Executable directives that subgraphs get as the client wrote them.
    directives_text: str = ""
    #: The field's composite type in the supergraph; None for a leaf.
    type_name: str | None = None
    list_depth: int = 0
    children: "tuple[Field, ...]" = ()
    internal: bool = False
    #: Names of the variables in its arguments and directives.
    variables: frozenset[str] = field(default=frozenset())
    #: Directives of the fragments that it stands in, outermost first, as text.
    fragment_directives: tuple[str, ...] = ()

    @property
    def is_typename(self) -> bool:
        """Whether it is `__typename`."""
        return self.name == "__typename"


def internal_leaf(name: str, *, key: str = "", via: str = "", conditions: Conditions = ALWAYS) -> Field:
    """A field without arguments and selections for the planner's own use."""
    return Field(key=key or name, name=name, via=via, conditions=conditions, internal=True)
