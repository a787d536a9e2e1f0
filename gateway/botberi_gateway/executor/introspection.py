"""`__schema` and `__type` of an operation -> their values, by the introspection types' resolvers, within a limit.

A selection of a type is computed once and shared by all places that show it, so that the cost is that of the schema and
the document, without repeats (in the usual introspection query, four fields in five are repeats). The limit counts the
fields of the answer as the client gets it, with repeats.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, TypeAlias
from weakref import WeakKeyDictionary

from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    SchemaMetaFieldDef,
    SelectionSetNode,
    TypeMetaFieldDef,
    get_introspection_query,
    get_named_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.values import VariableValues, get_argument_values

from botberi_gateway import errors
from botberi_gateway.config import OperationLimits
from botberi_gateway.errors import ErrorEntry
from botberi_gateway.executor.errorlog import ResponsePath
from botberi_gateway.executor.selection import Selections
from botberi_gateway.operation import Operation, prepare
from botberi_gateway.operation.introspecting import ROOTS
from botberi_gateway.operation.limits import UNLIMITED, refuse

#: A value and the errors in it, their paths beginning at its root field.
Introspected: TypeAlias = tuple[Any, Sequence[ErrorEntry]]

_META: Final[Mapping[str, GraphQLField]] = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}
#: Stands for a null that isn't allowed and makes the parent null (null propagation).
_PROPAGATE: Final = object()
#: So many times the fields of the usual introspection query are always allowed: clients add `__typename`s and deeper
#: `ofType`s.
_USUAL_FACTOR: Final = 2
_USUAL_QUERY: Final = get_introspection_query(
    specified_by_url=True,
    directive_is_repeatable=True,
    schema_description=True,
    input_value_deprecation=True,
    one_of=True,
)
_DEFAULTS: Final = OperationLimits()


@dataclass(frozen=True, slots=True)
class _Info:
    """The part of graphql-core's `GraphQLResolveInfo` that the introspection types' resolvers read."""

    schema: GraphQLSchema


@dataclass(slots=True)
class _Step:
    """A selected field: its response key, its resolver, and what is selected below it."""

    key: str
    resolve: Any
    arguments: Mapping[str, Any]
    non_null: bool
    is_list: bool
    #: A list's items can't be null.
    items_non_null: bool
    #: Internal values -> names, for enums.
    names: Mapping[Any, str] | None = None
    below: "_Plan | None" = None


@dataclass(slots=True)
class _Plan:
    """The selection of an introspection type, and the values that it gave for types, each with its number of fields."""

    steps: list[_Step] = field(default_factory=list)
    values: dict[int, tuple[Any, int]] = field(default_factory=dict)


class Introspection:
    """The introspection of an operation with a set of variables.

    `value` computes a root field once. More than `max_fields` in all of them raise `RequestError`; twice
    the fields of the usual introspection query are always allowed.
    """

    def __init__(
        self, operation: Operation, variables: Mapping[str, Any], max_fields: int = _DEFAULTS.max_introspection_fields
    ) -> None:
        #: Fields so far, with repeats.
        self.fields = 0
        self._operation = operation
        self._variables = variables
        self._info = _Info(operation.schema)
        self._selections = Selections(operation, variables)
        self._max_fields = max_fields
        self._plans: dict[tuple[str, tuple[int, ...]], _Plan] = {}
        self._values: dict[tuple[str, tuple[int, ...]], Introspected] = {}
        self._errors: list[ErrorEntry] = []

    def make(self) -> "Introspection":
        """Compute every root field's value; returns itself. Raises `RequestError`."""
        query = self._operation.schema.query_type
        if query is not None:
            for key, nodes in self._selections.fields([self._operation.selection_set], query).items():
                if nodes[0].name.value in ROOTS:
                    self.value(key, nodes)
        return self

    def value(self, key: str, nodes: list[FieldNode]) -> Introspected:
        """The value of a root field (its merged nodes), and the errors in it. Raises `RequestError`."""
        cache_key = key, tuple(map(id, nodes))
        if cache_key not in self._values:
            self._errors = []
            step = self._step(key, _META[nodes[0].name.value], nodes)
            self._count(1)
            value = self._field(step, None, ())
            self._values[cache_key] = None if value is _PROPAGATE else value, tuple(self._errors)
        return self._values[cache_key]

    # -- what is selected

    def _plan(self, kind: GraphQLObjectType, sets: list[SelectionSetNode]) -> _Plan:
        cache_key = kind.name, tuple(map(id, sets))
        plan = self._plans.get(cache_key)
        if plan is None:
            plan = self._plans[cache_key] = _Plan()
            for key, nodes in self._selections.fields(sets, kind).items():
                name = nodes[0].name.value
                if name == "__typename":
                    plan.steps.append(
                        _Step(key, _constant(kind.name), {}, non_null=True, is_list=False, items_non_null=False)
                    )
                elif name in kind.fields:
                    plan.steps.append(self._step(key, kind.fields[name], nodes))
        return plan

    def _step(self, key: str, definition: GraphQLField, nodes: list[FieldNode]) -> _Step:
        kind = definition.type
        non_null = is_non_null_type(kind)
        inner = kind.of_type if is_non_null_type(kind) else kind
        named: GraphQLNamedType = get_named_type(inner)
        step = _Step(
            key,
            definition.resolve,
            {},
            non_null=non_null,
            is_list=is_list_type(inner),
            items_non_null=is_list_type(inner) and is_non_null_type(inner.of_type),
        )
        try:
            step.arguments = get_argument_values(definition, nodes[0], VariableValues({}, dict(self._variables)))
        except GraphQLError as error:
            # A null variable where the default would have been allowed: an error wherever the field is.
            step.resolve = _failing(error.message)
        if isinstance(named, GraphQLObjectType):
            sets = [node.selection_set for node in nodes if node.selection_set is not None]
            step.below = self._plan(named, sets)
        elif isinstance(named, GraphQLEnumType):
            step.names = {value.value: name for name, value in named.values.items()}
        return step

    # -- values

    def _count(self, fields: int) -> None:
        self.fields += fields
        if self.fields > self._max_fields:
            self._max_fields = max(self._max_fields, _USUAL_FACTOR * usual_fields(self._operation.schema))
            if self.fields > self._max_fields:
                raise refuse("fields of introspection", self._max_fields)

    def _object(self, plan: _Plan, source: Any, path: ResponsePath) -> Any:
        # Sources of other kinds are pairs that resolvers make; each comes once.
        is_type = isinstance(source, GraphQLNamedType)
        if is_type and (known := plan.values.get(id(source))) is not None:
            self._count(known[1])
            return known[0]
        before, errors_before = self.fields, len(self._errors)
        self._count(len(plan.steps))
        fields: dict[str, Any] | object = {}
        for step in plan.steps:
            value = self._field(step, source, path)
            if value is _PROPAGATE:
                fields = _PROPAGATE
                break
            fields[step.key] = value  # type: ignore[index]
        if is_type and len(self._errors) == errors_before:
            plan.values[id(source)] = fields, self.fields - before
        return fields

    def _field(self, step: _Step, source: Any, path: ResponsePath) -> Any:
        try:
            value = step.resolve(source, self._info, **step.arguments)
        except Exception as error:
            self._errors.append(ErrorEntry(str(error), errors.INTERNAL_SERVER_ERROR, (*path, step.key)))
            return _PROPAGATE if step.non_null else None
        if value is None:
            return _PROPAGATE if step.non_null else None
        below, names = step.below, step.names
        if not step.is_list:
            if below is not None:
                value = self._object(below, value, (*path, step.key))
                return value if value is not _PROPAGATE or step.non_null else None
            return value if names is None else names[value]
        items = list(value)
        if below is None:
            self._count(len(items))
            return items if names is None else [names[item] for item in items]
        here = (*path, step.key)
        values = []
        for index, item in enumerate(items):
            value = self._object(below, item, (*here, index))
            if value is _PROPAGATE:
                if step.items_non_null:
                    return _PROPAGATE if step.non_null else None
                value = None
            values.append(value)
        return values


def _constant(value: str) -> Callable[..., str]:
    return lambda _source, _info: value


def _failing(message: str) -> Callable[..., NoReturn]:
    def resolve(_source: Any, _info: _Info) -> NoReturn:
        raise GraphQLError(message)

    return resolve


_usual_fields: Final[WeakKeyDictionary[GraphQLSchema, int]] = WeakKeyDictionary()


def usual_fields(schema: GraphQLSchema) -> int:
    """The number of fields of the usual introspection query's answer for this schema; counted once a schema."""
    known = _usual_fields.get(schema)
    if known is None:
        operation = prepare(schema, _USUAL_QUERY, None, UNLIMITED, ())
        known = _usual_fields[schema] = Introspection(operation, {}, sys.maxsize).make().fields
    return known
