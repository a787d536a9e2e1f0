"""The conditions under which a client asks for a field: values of variables, and the `@defer`s around it."""

from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

#: ("variable", True) where the variable must be true (`@include`), ("variable", False) where it must be false
#: (`@skip`).
VariableCondition: TypeAlias = tuple[str, bool]


class Conditions(NamedTuple):
    """All of `variables` must hold; `defers` are the numbers of the `@defer`s that a field stands in.

    `@defer` doesn't decide whether a field is fetched, but it separates requests as the others do: what is deferred
    must not hold up what isn't.
    """

    variables: frozenset[VariableCondition] = frozenset()
    defers: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.variables or self.defers)

    def union(self, other: "Conditions") -> "Conditions":
        """Both together."""
        if other is ALWAYS:
            return self
        if self is ALWAYS:
            return other
        return Conditions(self.variables | other.variables, self.defers | other.defers)

    def is_implied_by(self, other: "Conditions") -> bool:
        """Whether each of these conditions is one of the other ones."""
        return self.variables <= other.variables and self.defers <= other.defers

    def common(self, other: "Conditions") -> "Conditions":
        """The conditions that are in both."""
        return Conditions(self.variables & other.variables, self.defers & other.defers)

    def with_defers(self, defers: frozenset[int]) -> "Conditions":
        """The same, and these `@defer`s."""
        return Conditions(self.variables, self.defers | defers) if defers else self

    def without_defers(self) -> "Conditions":
        """The same without any `@defer`."""
        return Conditions(self.variables) if self.defers else self

    @property
    def number(self) -> int:
        """How many conditions these are, each `@defer` being one."""
        return len(self.variables) + len(self.defers)


#: No conditions.
ALWAYS: Final = Conditions()


def in_order(variables: Iterable[VariableCondition]) -> tuple[VariableCondition, ...]:
    """Conditions on variables in the order in which they are printed."""
    return tuple(sorted(variables))
