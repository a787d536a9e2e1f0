"""A field and its arguments -> how many items its list has.

Such arguments are called `first`, `limit` or the like.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    IntValueNode,
    ObjectValueNode,
    ValueNode,
    VariableNode,
    is_non_null_type,
)

from botberi_gateway.operation.sums import Factor, Variables

#: Arguments (or fields of input objects) of type Int that say how many items a list has.
SLICING: Final = frozenset(
    ("first", "last", "limit", "take", "top", "size", "count", "pageSize", "page_size", "perPage", "per_page")
)

#: Argument, or argument and its input object's field; and the schema's default.
_Paths: TypeAlias = list[tuple[tuple[str, ...], int | None]]


class Slicing:
    """Sizes of one operation's lists; those that no argument says are `assumed`.

    Variables that say one are put into `names`.
    """

    def __init__(self, assumed: int, names: set[str]) -> None:
        self._assumed = assumed
        self._names = names
        self._known: dict[int, _Paths] = {}

    def size(self, node: FieldNode, definition: GraphQLField) -> Factor | None:
        """How many items slicing arguments say; the greatest, where there are several. None: the field takes none."""
        paths = self._paths(definition)
        if not paths:
            return None
        arguments = {argument.name.value: argument.value for argument in node.arguments or ()}
        constants: list[int] = []
        variables: list[tuple[str, tuple[str, ...], int | None]] = []
        for (name, *below), default in paths:
            value: ValueNode | None = arguments.get(name)
            while below and isinstance(value, ObjectValueNode):
                name = below.pop(0)
                value = next((each.value for each in value.fields if each.name.value == name), None)
            if isinstance(value, VariableNode):
                self._names.add(value.name.value)
                variables.append((value.name.value, tuple(below), default))
            elif isinstance(value, IntValueNode):
                constants.append(int(value.value))
            elif value is None and default is not None:
                constants.append(default)
        assumed = self._assumed
        if not variables:
            return max(max(constants, default=assumed), 0)

        def by(values: Variables) -> int:
            sizes = list(constants)
            for name, below, default in variables:
                value = values.get(name, default)
                for key in below:
                    value = value.get(key) if isinstance(value, Mapping) else None
                if isinstance(value, int):
                    sizes.append(value)
            return max(max(sizes, default=assumed), 0)

        return by

    def _paths(self, definition: GraphQLField) -> _Paths:
        """The arguments by which a field takes the number of items.

        They are arguments of its own, or fields of input objects that are its arguments.
        """
        known = self._known.get(id(definition))
        if known is None:
            known = self._known[id(definition)] = []
            for name, argument in definition.args.items():
                kind = _nullable(argument.type)
                if isinstance(kind, GraphQLInputObjectType):
                    known += [
                        ((name, key), _default(inner))
                        for key, inner in kind.fields.items()
                        if key in SLICING and _nullable(inner.type) is GraphQLInt
                    ]
                elif name in SLICING and kind is GraphQLInt:
                    known.append(((name,), _default(argument)))
        return known


def _nullable(kind: Any) -> Any:
    return kind.of_type if is_non_null_type(kind) else kind


def _default(argument: GraphQLArgument | GraphQLInputField) -> int | None:
    """The schema's default, where it is a number."""
    node = None if argument.ast_node is None else argument.ast_node.default_value
    return int(node.value) if isinstance(node, IntValueNode) else None
