"""The joined view -> the response in the client's shape, by the API schema: nulls propagate, lost fields get errors."""

from collections.abc import Sequence
from typing import Any, Final, cast

from graphql import (
    FieldNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLOutputType,
    SelectionSetNode,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)

from botberi_gateway.executor.definitions import definition_of, is_root_type
from botberi_gateway.executor.errorlog import ResponsePath
from botberi_gateway.executor.field_errors import FieldErrors
from botberi_gateway.executor.introspection import Introspection
from botberi_gateway.executor.leaves import WrongLeaf, leaf
from botberi_gateway.executor.selection import Selections
from botberi_gateway.executor.state import Execution
from botberi_gateway.executor.unknown import Typed
from botberi_gateway.executor.view import MISSING, ListView, ObjectView, View

#: Stands for a null that isn't allowed and makes the parent null (null propagation).
PROPAGATE: Final = object()


def project(execution: Execution, root: ObjectView) -> dict[str, Any] | None:
    """The response's `data`; errors go to the execution's log."""
    projection = Projection(execution, root)
    root_type = projection.root_type()
    data = projection.object_value(root, root_type, [execution.operation.selection_set]) if root_type else None
    projection.field_errors.settle(execution.failures)
    return data


class Projection:
    """A projection of the view with this root. `sets` are selection sets of merged fields, or what a subclass has."""

    def __init__(self, execution: Execution, root: ObjectView, selections: Selections | None = None) -> None:
        self.execution = execution
        self.root = root
        self.schema = execution.operation.schema
        self.selections = selections or Selections(execution.operation, execution.variables)
        self.typed = Typed(self.selections)
        self.field_errors = FieldErrors(execution.errors, execution.names, execution.withheld)

    def root_type(self) -> GraphQLObjectType | None:
        return self.schema.get_root_type(self.execution.operation.definition.operation)

    # -- values

    def object_value(
        self, view: ObjectView, runtime_type: GraphQLNamedType, sets: Sequence[SelectionSetNode]
    ) -> dict[str, Any] | None:
        result: dict[str, Any] = {}
        mark = self.mark()
        groups = self.selections.fields(sets, runtime_type)
        self.execution.spending.take_fields(len(groups))
        for key, nodes in groups.items():
            below = [node.selection_set for node in nodes if node.selection_set is not None]
            value = self.field(view, runtime_type, key, nodes, below)
            if value is PROPAGATE:
                self.lose(mark, view.path())
                return None
            result[key] = value
        return result

    def mark(self) -> tuple[int, int]:
        """How many errors there are now; `lose` may remove later ones."""
        return len(self.field_errors.entries), 0

    def lose(self, mark: tuple[int, int], place: ResponsePath) -> None:
        """Remove errors that a null made pointless: it propagated to `place`, past all errors after `mark`."""
        self.field_errors.lose(mark[0], place)

    def field(
        self, view: ObjectView, runtime_type: GraphQLNamedType, key: str, nodes: list[FieldNode], sets: Any
    ) -> Any:
        name = nodes[0].name.value
        if name == "__typename":
            return self.typename(view, runtime_type, key)
        if name in ("__schema", "__type") and view is self.root:
            return self.introspection(key, nodes)
        definition = definition_of(self.schema, runtime_type, name)
        if definition is None:
            # Never silently: the value may well be there.
            self.field_errors.report(f"{runtime_type.name} has no field {name!r}.", (*view.path(), key))
            return None
        kind = definition.type
        value = view.value(key) if _is_leaf(kind) else view.child(key)
        if value is MISSING:
            value = None
            self.field_errors.explain(view, key)
        return self.complete(kind, value, view, (key,), sets, f"{runtime_type.name}.{name}")

    def complete(
        self,
        kind: GraphQLOutputType,
        value: Any,
        view: View,
        below: ResponsePath,
        sets: Any,
        label: str,
    ) -> Any:
        """The value for the client; `below` is the path to it from `view`, the nearest position with a view."""
        if is_non_null_type(kind):
            completed = self.complete(kind.of_type, value, view, below, sets, label)
            if completed is None:
                self.field_errors.propagate(view.path() + below, label)
                return PROPAGATE
            return completed
        if value is None:
            return None
        if is_list_type(kind):
            return self.list_value(kind.of_type, value, view, below, sets, label)
        if is_leaf_type(kind):
            try:
                return leaf(kind, value)
            except WrongLeaf as error:
                self.field_errors.report(f"The value of {label} {error}.", view.path() + below)
                return None
        if not isinstance(value, ObjectView):
            self.field_errors.report(f"The value of {label} is not an object.", view.path() + below)
            return None
        runtime_type = self.runtime_type(cast(GraphQLNamedType, kind), value, sets, label)
        return None if runtime_type is None else self.object_value(value, runtime_type, sets)

    def list_value(
        self,
        kind: GraphQLOutputType,
        value: Any,
        view: View,
        below: ResponsePath,
        sets: Any,
        label: str,
    ) -> Any:
        if isinstance(value, ListView):
            view, below, items = value, (), value.items
        elif isinstance(value, list):
            items = value
        else:
            self.field_errors.report(f"The value of {label} is not a list.", view.path() + below)
            return None
        result = []
        mark = self.mark()
        self.execution.spending.take_fields(len(items))
        for index, item in enumerate(items):
            completed = self.complete(kind, item, view, (*below, index), sets, label)
            if completed is PROPAGATE:
                self.lose(mark, view.path() + below)
                return None
            result.append(completed)
        return result

    # -- types

    def runtime_type(self, kind: GraphQLNamedType, view: ObjectView, sets: Any, label: str) -> GraphQLNamedType | None:
        """The object type; the interface itself where the selection is the same for all of its types.

        None, after an error, if the type is impossible here, or if it is unknown and the answer depends on it.
        """
        name = self.execution.names.of(view)
        actual = None if name is None else self.schema.get_type(name)
        if is_object_type(actual):
            if actual is kind or (is_abstract_type(kind) and self.schema.is_sub_type(kind, actual)):
                return actual
        elif actual is None and name is not None and not is_root_type(self.schema, kind):
            pass  # a type that the API hides, or that no schema has
        elif is_object_type(kind):
            return kind
        elif isinstance(kind, GraphQLInterfaceType):
            if not self.type_matters(sets, kind):
                return kind
            self.field_errors.explain_type(view, kind.name)
            return None
        elif is_abstract_type(kind) and len(possible := self.schema.get_possible_types(kind)) == 1:
            return possible[0]
        self.field_errors.report(f"The value of {label} is of a type that it can't have.", view.path())
        return None

    def typename(self, view: ObjectView, runtime_type: GraphQLNamedType, key: str) -> Any:
        if is_object_type(runtime_type):
            return runtime_type.name
        self.field_errors.explain_type(view, runtime_type.name, (key,))
        return PROPAGATE

    def type_matters(self, sets: Any, kind: GraphQLNamedType) -> bool:
        return self.typed.matters(sets, kind)

    def introspection(self, key: str, nodes: list[FieldNode]) -> Any:
        execution = self.execution
        introspection = execution.runtime.introspection or Introspection(execution.operation, execution.variables)
        value, entries = introspection.value(key, nodes)
        self.field_errors.entries += [(entry, None) for entry in entries]
        return PROPAGATE if value is None and nodes[0].name.value == "__schema" else value


def _is_leaf(kind: GraphQLOutputType) -> bool:
    while is_non_null_type(kind) or is_list_type(kind):
        kind = kind.of_type
    return bool(is_leaf_type(kind))
