"""`__schema` and `__type` of an operation -> their values: by the introspection types' own resolvers, counted while they are made.

What is selected of one type is made once and shared by all places that show it, so that an answer costs what the schema and the
document cost, not what it repeats (in the usual introspection query four fields in five are such repeats). The count is that of the
answer as the client gets it.
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
#: A null where the introspection schema allows none: the parent becomes null instead.
_CLIMBING: Final = object()
#: How often the usual introspection query's fields are admitted, whatever the limit: clients add `__typename`s and deeper `ofType`s.
_USUAL: Final = 2
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
    """What the introspection types' resolvers read of graphql-core's `GraphQLResolveInfo`."""

    schema: GraphQLSchema


@dataclass(slots=True)
class _Step:
    """One selected field: its response key, how its value is had, and what is selected below it."""

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
    """What is selected of one introspection type, and what was made of types by it: the value and its number of fields."""

    steps: list[_Step] = field(default_factory=list)
    made: dict[int, tuple[Any, int]] = field(default_factory=dict)


class Introspection:
    """The introspection of one operation with one set of variables.

    `value` makes what isn't made yet. More than `max_fields` in all of it together raises `RequestError`, but what the usual
    introspection query asks of this schema is always admitted, twice.
    """

    def __init__(
        self, operation: Operation, variables: Mapping[str, Any], max_fields: int = _DEFAULTS.max_introspection_fields
    ) -> None:
        #: Fields made so far, repeats counted.
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
        """Makes every root field's value; returns itself. Raises `RequestError`."""
        query = self._operation.schema.query_type
        if query is not None:
            for key, nodes in self._selections.fields([self._operation.selection_set], query).items():
                if nodes[0].name.value in ROOTS:
                    self.value(key, nodes)
        return self

    def value(self, key: str, nodes: list[FieldNode]) -> Introspected:
        """The value of one root field (its merged nodes), and the errors in it. Raises `RequestError`."""
        mark = key, tuple(map(id, nodes))
        if mark not in self._values:
            self._errors = []
            step = self._step(key, _META[nodes[0].name.value], nodes)
            self._count(1)
            value = self._field(step, None, ())
            self._values[mark] = None if value is _CLIMBING else value, tuple(self._errors)
        return self._values[mark]

    # -- what is selected

    def _plan(self, kind: GraphQLObjectType, sets: list[SelectionSetNode]) -> _Plan:
        mark = kind.name, tuple(map(id, sets))
        plan = self._plans.get(mark)
        if plan is None:
            plan = self._plans[mark] = _Plan()
            for key, nodes in self._selections.fields(sets, kind).items():
                name = nodes[0].name.value
                if name == "__typename":
                    plan.steps.append(_Step(key, _constant(kind.name), {}, True, False, False))
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
            non_null,
            is_list_type(inner),
            is_list_type(inner) and is_non_null_type(inner.of_type),
        )
        try:
            step.arguments = get_argument_values(definition, nodes[0], VariableValues({}, dict(self._variables)))
        except (
            GraphQLError
        ) as error:  # a null variable where the default would have been allowed: wherever the field is
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
            self._max_fields = max(self._max_fields, _USUAL * usual_fields(self._operation.schema))
            if self.fields > self._max_fields:
                raise refuse("fields of introspection", self._max_fields)

    def _object(self, plan: _Plan, source: Any, path: ResponsePath) -> Any:
        # Other sources are pairs made by resolvers, each met once.
        is_type = isinstance(source, GraphQLNamedType)
        if is_type and (known := plan.made.get(id(source))) is not None:
            self._count(known[1])
            return known[0]
        before, errors_before = self.fields, len(self._errors)
        self._count(len(plan.steps))
        made: dict[str, Any] | object = {}
        for step in plan.steps:
            value = self._field(step, source, path)
            if value is _CLIMBING:
                made = _CLIMBING
                break
            made[step.key] = value  # type: ignore[index]
        if is_type and len(self._errors) == errors_before:
            plan.made[id(source)] = made, self.fields - before
        return made

    def _field(self, step: _Step, source: Any, path: ResponsePath) -> Any:
        try:
            value = step.resolve(source, self._info, **step.arguments)
        except Exception as error:
            self._errors.append(ErrorEntry(str(error), errors.INTERNAL_SERVER_ERROR, (*path, step.key)))
            return _CLIMBING if step.non_null else None
        if value is None:
            return _CLIMBING if step.non_null else None
        below, names = step.below, step.names
        if not step.is_list:
            if below is not None:
                value = self._object(below, value, (*path, step.key))
                return value if value is not _CLIMBING or step.non_null else None
            return value if names is None else names[value]
        items = list(value)
        if below is None:
            self._count(len(items))
            return items if names is None else [names[item] for item in items]
        here = (*path, step.key)
        made = []
        for index, item in enumerate(items):
            found = self._object(below, item, (*here, index))
            if found is _CLIMBING:
                if step.items_non_null:
                    return _CLIMBING if step.non_null else None
                found = None
            made.append(found)
        return made


def _constant(value: str) -> Callable[..., str]:
    return lambda _source, _info: value


def _failing(message: str) -> Callable[..., NoReturn]:
    def resolve(_source: Any, _info: _Info) -> NoReturn:
        raise GraphQLError(message)

    return resolve


_usual_fields: Final[WeakKeyDictionary[GraphQLSchema, int]] = WeakKeyDictionary()


def usual_fields(schema: GraphQLSchema) -> int:
    """How many fields the usual introspection query, with all that it may ask, gives of this schema. Counted once a schema."""
    known = _usual_fields.get(schema)
    if known is None:
        operation = prepare(schema, _USUAL_QUERY, None, UNLIMITED, ())
        known = _usual_fields[schema] = Introspection(operation, {}, sys.maxsize).make().fields
    return known
