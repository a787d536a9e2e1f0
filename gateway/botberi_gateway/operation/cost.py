"""An operation -> an estimate of its answer's size: compiled once, then evaluated with a request's variables.

An object counts 1 and a leaf 0, as in the cost specification that `@cost` and `@listSize` come from
(https://ibm.github.io/graphql-specs/cost-spec.html); fields of every kind are counted beside that. A list has as many
items as its slicing argument says (`first`, `limit`, …: a literal, a variable or the schema's default). The argument of
a field that gives one object, such as a connection, is for the lists directly below it. Any other list has
`OperationLimits.assumed_list_size` items. Sizes multiply down the tree.

It is an upper estimate of what is asked, by the sizes that are known: of fragments on object types of an abstract type
the costliest counts; fields that are selected twice count twice. Fragments are looked at once and then multiplied:
everything is linear in the document.
"""

from typing import Any, Final

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from botberi_gateway.config import OperationLimits
from botberi_gateway.errors import COST_LIMIT_EXCEEDED, ErrorEntry, RequestError
from botberi_gateway.operation.introspecting import ROOTS
from botberi_gateway.operation.model import Operation
from botberi_gateway.operation.slicing import Slicing
from botberi_gateway.operation.sums import Below, Factor, Figures, Sum, Variables

#: Estimates beyond it are all the same to a client.
MAX_SHOWN: Final = 10**15
#: Sets of variables' values that are remembered for an operation.
MAX_REMEMBERED: Final = 64
#: In the place of a variable's value that isn't given.
MISSING: Final = object()


class Cost:
    """The estimate of one operation. `limits` say how much is admitted."""

    def __init__(self, operation: Operation, limits: OperationLimits) -> None:
        self._limits = limits
        compiler = _Compiler(operation, limits.assumed_list_size)
        root = operation.schema.get_root_type(operation.definition.operation)
        below = Below() if root is None else compiler.selections(operation.selection_set, root)
        self._sum = below.total(limits.assumed_list_size)
        self._names = tuple(compiler.names)
        #: Values of these variables that were found to be within the limits: most requests have the same few.
        self._admitted: set[tuple[Any, ...]] = set()

    @property
    def varies(self) -> bool:
        """Whether it depends on variables, so that each request has to be looked at."""
        return self._sum.varies

    def figures(self, variables: Variables) -> Figures:
        """Objects and fields of the answer."""
        return self._sum.figures(variables, {})

    def check(self, variables: Variables) -> None:
        """Raises `RequestError` with `COST_LIMIT_EXCEEDED` where the estimate is beyond the limits."""
        values = tuple([variables.get(name, MISSING) for name in self._names])
        try:
            if values in self._admitted:
                return
        except TypeError:  # input objects
            values = ()
        objects, fields = self.figures(variables)
        for what, estimate, allowed in (
            ("objects", objects, self._limits.max_cost),
            ("fields", fields, self._limits.max_answer_fields),
        ):
            if estimate > allowed:
                estimate = min(estimate, MAX_SHOWN)
                message = (
                    f"The answer is estimated at {estimate:,} {what}; {allowed:,} are allowed. "
                    "Ask for fewer items at a time, or for fewer lists in one another."
                )
                figures = {"estimated": estimate, "allowed": allowed}
                raise RequestError([ErrorEntry(message, COST_LIMIT_EXCEEDED, extensions=figures)])
        if values:
            if len(self._admitted) >= MAX_REMEMBERED:
                self._admitted.clear()
            self._admitted.add(values)


class _Compiler:
    def __init__(self, operation: Operation, assumed: int) -> None:
        self._schema = operation.schema
        self._fragments = operation.fragments
        self._assumed = assumed
        #: Variables that the estimate depends on.
        self.names: set[str] = set()
        self._slicing = Slicing(assumed, self.names)
        self._known: dict[str, Below] = {}

    def selections(self, node: SelectionSetNode, parent: GraphQLNamedType) -> Below:
        """What is selected of an object of this type."""
        selected = Below()
        alternatives: dict[str, Below] = {}
        for selection in node.selections:
            factor = _condition(selection, self.names)
            if isinstance(selection, FieldNode):
                selected.add(self._field(selection, parent), factor)
                continue
            if isinstance(selection, FragmentSpreadNode):
                kind = self._schema.type_map[self._fragments[selection.name.value].type_condition.name.value]
                inner = self._fragment(selection.name.value)
            else:
                assert isinstance(selection, InlineFragmentNode)
                condition = selection.type_condition
                kind = parent if condition is None else self._schema.type_map[condition.name.value]
                inner = self.selections(selection.selection_set, kind)
            if is_abstract_type(parent) and isinstance(kind, GraphQLObjectType):
                alternatives.setdefault(kind.name, Below()).add(inner, factor)
            else:
                selected.add(inner, factor)
        selected.plain.add_greatest([below.plain for below in alternatives.values()])
        selected.sized.add_greatest([below.sized for below in alternatives.values()])
        return selected

    def _fragment(self, name: str) -> Below:
        if name not in self._known:
            definition = self._fragments[name]
            kind = self._schema.type_map[definition.type_condition.name.value]
            self._known[name] = self.selections(definition.selection_set, kind)
        return self._known[name]

    def _field(self, node: FieldNode, parent: GraphQLNamedType) -> Below:
        cost = Below(Sum(fields=1))
        if node.name.value in ROOTS or not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            return cost
        definition = parent.fields.get(node.name.value)
        if definition is None:  # __typename
            return cost
        lists, kind = _lists(definition)
        size = self._slicing.size(node, definition)
        if is_leaf_type(get_named_type(kind)):
            if lists and size is not None:
                cost.plain.add(Sum(fields=1), size)
            return cost
        below = Below() if node.selection_set is None else self.selections(node.selection_set, get_named_type(kind))
        item = Sum(objects=1)
        if not lists:
            item.add(below.total(self._assumed if size is None else size))
            cost.plain.add(item)
            return cost
        item.add(below.total(self._assumed))
        for _ in range(lists - 1):
            inner, item = item, Sum()
            item.add(inner, self._assumed)
        if size is None:
            cost.sized.add(item)
        else:
            cost.plain.add(item, size)
        return cost


def _lists(definition: GraphQLField) -> tuple[int, Any]:
    """How many lists in one another a field gives, and of what."""
    lists, kind = 0, definition.type
    while is_non_null_type(kind) or is_list_type(kind):
        lists += is_list_type(kind)
        kind = kind.of_type
    return lists, kind


def _condition(node: SelectionNode, names: set[str]) -> Factor:
    """1, or 0 where `@skip` or `@include` leaves it out."""
    tests: list[tuple[str, bool]] = []
    for directive in node.directives or ():
        required = directive.name.value == "include"
        if not required and directive.name.value != "skip":
            continue
        for argument in directive.arguments or ():
            if isinstance(argument.value, VariableNode):
                names.add(argument.value.name.value)
                tests.append((argument.value.name.value, required))
            elif getattr(argument.value, "value", None) is not required:
                return 0
    if not tests:
        return 1
    return lambda variables: int(all((variables.get(name) is True) is required for name, required in tests))
