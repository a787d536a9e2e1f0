"""A document -> whether it is certainly valid, by one quick look at what most operations consist of.

A yes is proved by the tests to be the rules' answer; a no says nothing, and the rules are asked
(`botberi_gateway.operation.validating`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from graphql import (
    ArgumentNode,
    BooleanValueNode,
    DocumentNode,
    EnumValueNode,
    FieldNode,
    FloatValueNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLIncludeDirective,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLSkipDirective,
    GraphQLUnionType,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    VariableNode,
    type_from_ast,
)

#: Which literals certainly fit a scalar of the specification. (An Int's range is looked at, too.)
_LITERALS: Final[Mapping[str, frozenset[type[ValueNode]]]] = {
    "Int": frozenset((IntValueNode,)),
    "Float": frozenset((IntValueNode, FloatValueNode)),
    "String": frozenset((StringValueNode,)),
    "Boolean": frozenset((BooleanValueNode,)),
    "ID": frozenset((StringValueNode, IntValueNode)),
}
#: Decimal digits that fit an Int, and a Float, whatever they are.
_MAX_DIGITS: Final = 9
_MAX_FLOAT_CHARACTERS: Final = 30
_CONDITIONS: Final = (GraphQLIncludeDirective, GraphQLSkipDirective)
_COMPOSITE: Final = frozenset((GraphQLObjectType, GraphQLInterfaceType, GraphQLUnionType))


class _UnsureError(Exception):
    """The rules have to look."""


def is_certainly_valid(schema: GraphQLSchema, document: DocumentNode) -> bool:
    """Whether no rule of the specification is violated; False where that is not certain."""
    try:
        _Look(schema, document).document()
    except (_UnsureError, RecursionError):
        return False
    return True


#: Response key -> the field's name, and its type where it is a leaf without arguments.
_Keys: TypeAlias = dict[str, tuple[str, Any]]


class _Look:
    """Of one document. Its methods raise `_UnsureError`."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self._schema = schema
        self._document = document
        self._fragments: dict[str, FragmentDefinitionNode] = {}
        #: What a fragment selects, once it was looked at; None while that is under way.
        self._selected: dict[str, _Keys | None] = {}
        self._variables: dict[str, Any] = {}
        self._used: set[str] = set()

    def document(self) -> None:
        operation: OperationDefinitionNode | None = None
        for definition in self._document.definitions:
            if definition.__class__ is FragmentDefinitionNode:
                name = definition.name.value
                if name in self._fragments or definition.variable_definitions or definition.directives:
                    raise _UnsureError
                self._fragments[name] = definition
            elif definition.__class__ is OperationDefinitionNode and operation is None:
                operation = definition
            else:
                raise _UnsureError
        if operation is None or operation.operation is OperationType.SUBSCRIPTION or operation.directives:
            raise _UnsureError
        root = self._schema.get_root_type(operation.operation)
        if root is None:
            raise _UnsureError
        for variable in operation.variable_definitions or ():
            name, kind = variable.variable.name.value, type_from_ast(self._schema, variable.type)
            if name in self._variables or kind is None or variable.directives or variable.default_value is not None:
                raise _UnsureError
            self._variables[name] = kind
        self._selections(operation.selection_set, root, {})
        if len(self._used) != len(self._variables) or len(self._selected) != len(self._fragments):
            raise _UnsureError

    def _selections(self, node: SelectionSetNode, parent: Any, keys: _Keys) -> None:
        """Adds to `keys` what is selected of one object."""
        fields = getattr(parent, "fields", None)
        if not node.selections:
            raise _UnsureError
        for selection in node.selections:
            if selection.directives:
                self._directives(selection.directives)
            if selection.__class__ is FieldNode:
                self._field(selection, parent, fields, keys)
            elif selection.__class__ is InlineFragmentNode:
                condition = selection.type_condition
                kind = parent if condition is None else self._condition(condition.name.value, parent)
                self._selections(selection.selection_set, kind, keys)
            else:
                assert isinstance(selection, FragmentSpreadNode)
                for key, (name, leaf) in self._fragment(selection.name.value, parent).items():
                    _add(keys, key, name, leaf)

    def _fragment(self, name: str, parent: Any) -> _Keys:
        fragment = self._fragments.get(name)
        if fragment is None:
            raise _UnsureError
        kind = self._condition(fragment.type_condition.name.value, parent)
        if name not in self._selected:
            self._selected[name] = None
            keys: _Keys = {}
            self._selections(fragment.selection_set, kind, keys)
            self._selected[name] = keys
        selected = self._selected[name]
        if selected is None:  # it spreads itself
            raise _UnsureError
        return selected

    def _condition(self, name: str, parent: Any) -> Any:
        """The type of a fragment that may apply to objects of the type around it."""
        kind = self._schema.type_map.get(name)
        if kind is parent:
            return kind
        if kind.__class__ not in _COMPOSITE:
            raise _UnsureError
        if kind.__class__ is GraphQLObjectType:
            if parent.__class__ is GraphQLObjectType or not self._schema.is_sub_type(parent, kind):
                raise _UnsureError
        elif parent.__class__ is not GraphQLObjectType or not self._schema.is_sub_type(kind, parent):  # type: ignore[arg-type]
            raise _UnsureError
        return kind

    def _field(self, node: FieldNode, parent: Any, fields: Any, keys: _Keys) -> None:
        name = node.name.value
        key = name if node.alias is None else node.alias.value
        if name == "__typename":
            if node.arguments or node.selection_set is not None:
                raise _UnsureError
            _add(keys, key, name, str)
            return
        if fields is None or name not in fields:
            raise _UnsureError
        field = fields[name]
        if node.arguments or field.args:
            self._arguments(node.arguments or (), field.args)
        kind = field.type
        while kind.__class__ is GraphQLNonNull or kind.__class__ is GraphQLList:
            kind = kind.of_type
        if node.selection_set is None:
            if kind.__class__ in _COMPOSITE:
                raise _UnsureError
            _add(keys, key, name, None if node.arguments else field.type)
        else:
            if kind.__class__ not in _COMPOSITE:
                raise _UnsureError
            _add(keys, key, name, None)
            self._selections(node.selection_set, kind, {})

    def _arguments(
        self, nodes: Sequence[ArgumentNode], known: Mapping[str, GraphQLArgument | GraphQLInputField]
    ) -> None:
        given = {node.name.value: node.value for node in nodes}
        if len(given) != len(nodes):
            raise _UnsureError
        self._values(given, known)

    def _values(self, given: Mapping[str, ValueNode], known: Mapping[str, GraphQLArgument | GraphQLInputField]) -> None:
        for name, value in given.items():
            if name not in known:
                raise _UnsureError
            self._value(value, known[name].type)
        for name, argument in known.items():
            if name not in given and argument.type.__class__ is GraphQLNonNull:
                raise _UnsureError  # or it has a default

    def _directives(self, nodes: Sequence[Any]) -> None:
        """Only the specification's `@skip` and `@include`, each once."""
        if len({node.name.value for node in nodes}) != len(nodes):
            raise _UnsureError
        for node in nodes:
            arguments: list[Any] = [*(node.arguments or ())]
            if (
                self._schema.get_directive(node.name.value) not in _CONDITIONS
                or len(arguments) != 1
                or arguments[0].name.value != "if"
            ):
                raise _UnsureError
            value = arguments[0].value
            if value.__class__ is VariableNode:
                kind = self._variable(value)
                if kind.__class__ is not GraphQLNonNull or getattr(kind.of_type, "name", "") != "Boolean":
                    raise _UnsureError
            elif value.__class__ is not BooleanValueNode:
                raise _UnsureError

    def _variable(self, node: VariableNode) -> Any:
        kind = self._variables.get(node.name.value)
        if kind is None:
            raise _UnsureError
        self._used.add(node.name.value)
        return kind

    def _value(self, node: ValueNode, expected: Any) -> None:
        if isinstance(node, VariableNode):
            kind = self._variable(node)
            # The same type, or the same that is never null.
            if str(kind) != str(expected) and str(kind) != f"{expected}!":
                raise _UnsureError
            return
        if expected.__class__ is GraphQLNonNull:
            expected = expected.of_type
            if node.__class__ is NullValueNode:
                raise _UnsureError
        elif node.__class__ is NullValueNode:
            return
        if expected.__class__ is GraphQLList:
            if not isinstance(node, ListValueNode):
                raise _UnsureError
            for item in node.values:
                self._value(item, expected.of_type)
        elif expected.__class__ is GraphQLScalarType:
            if node.__class__ not in _LITERALS.get(expected.name, ()):
                raise _UnsureError
            if isinstance(node, IntValueNode) and len(node.value) > _MAX_DIGITS:
                raise _UnsureError
            if isinstance(node, FloatValueNode) and (
                len(node.value) > _MAX_FLOAT_CHARACTERS or "e" in node.value.lower()
            ):
                raise _UnsureError
        elif expected.__class__ is GraphQLEnumType:
            if not isinstance(node, EnumValueNode) or node.value not in expected.values:
                raise _UnsureError
        elif expected.__class__ is GraphQLInputObjectType and isinstance(node, ObjectValueNode):
            given = {field.name.value: field.value for field in node.fields}
            if expected.is_one_of or len(given) != len(node.fields):
                raise _UnsureError
            self._values(given, expected.fields)
        else:
            raise _UnsureError


def _add(keys: _Keys, key: str, name: str, leaf: Any) -> None:
    """Note a response key. The same again is certain to merge only if it is the same leaf without arguments."""
    if key in keys:
        known, known_leaf = keys[key]
        if leaf is None or known_leaf is None or known != name or str(known_leaf) != str(leaf):
            raise _UnsureError
    else:
        keys[key] = name, leaf
