"""A fetch's operation and the values of the conditions -> which response keys its answer has, nested."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    parse,
)

from gateway.plan import Fetch, Rename

_ROUNDLESS: Final = frozenset(("Int", "String", "Boolean", "ID"))

#: Boolean variable -> whether it is true in this variant of the program.
Conditions: TypeAlias = Mapping[str, bool]


@dataclass(slots=True, eq=False)
class Keys:
    """The response keys of an object in an answer. Whether the object's type has a key is left to the answer: type conditions don't matter here."""

    below: dict[str, "Keys"] = field(default_factory=dict)
    #: Response keys that are another field's alias.
    aliased: set[str] = field(default_factory=set)

    def __contains__(self, key: str) -> bool:
        return key in self.below

    def lack_some(self, value: Any) -> bool:
        """Whether an answer's object (or one in lists) has a key beside these. What is below a leaf doesn't matter."""
        if isinstance(value, list | tuple):
            return any(self.lack_some(item) for item in value)
        if not isinstance(value, dict):
            return False
        return any(
            key not in self.below or (bool(self.below[key].below) and self.below[key].lack_some(inner))
            for key, inner in value.items()
        )


def parsed(fetch: Fetch) -> DocumentNode:
    """The operation that the fetch sends."""
    return parse(fetch.operation, no_location=True)


def answer_keys(fetch: Fetch, document: DocumentNode, conditions: Conditions) -> Keys:
    """Of the whole answer, renames undone for fetches at the root; entities are below the response keys of `_entities` fields."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    keys = Keys()
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            _collect(definition.selection_set, fragments, conditions, keys)
    if fetch.entities:
        for entities in fetch.entities:
            undo_renames(keys.below.get(entities.response_key, Keys()), fetch.renames)
    else:
        undo_renames(keys, fetch.renames)
    return keys


def undo_renames(keys: Keys, renames: Sequence[Rename]) -> None:
    """As the executor does in the answer."""
    for rename in renames:
        here: Keys | None = keys
        for element in rename.path:
            if isinstance(element, str) and here is not None:
                here = here.below.get(element)
        if here is not None and rename.source in here:
            target = here.below.setdefault(rename.target, Keys())
            _merge(target, here.below[rename.source])
            here.aliased.add(rename.target)


def _merge(into: Keys, other: Keys) -> None:
    into.aliased |= other.aliased
    for key, below in other.below.items():
        _merge(into.below.setdefault(key, Keys()), below)


def _collect(
    selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode], conditions: Conditions, into: Keys
) -> None:
    for node in selections.selections:
        if not is_included(node, conditions):
            continue
        if isinstance(node, FieldNode):
            key = (node.alias or node.name).value
            if key != node.name.value:
                into.aliased.add(key)
            below = into.below.setdefault(key, Keys())
            if node.selection_set is not None:
                _collect(node.selection_set, fragments, conditions, below)
        elif isinstance(node, InlineFragmentNode):
            _collect(node.selection_set, fragments, conditions, into)
        elif isinstance(node, FragmentSpreadNode) and node.name.value in fragments:
            _collect(fragments[node.name.value].selection_set, fragments, conditions, into)


def is_included(node: SelectionNode, conditions: Conditions) -> bool:
    """`@skip` and `@include`; a variable that is no condition of the program counts as false, as an absent one does."""
    for directive in node.directives or ():
        if directive.name.value not in ("skip", "include"):
            continue
        for argument in directive.arguments or ():
            if argument.name.value != "if":
                continue
            value = argument.value
            holds = (
                conditions.get(value.name.value, False)
                if isinstance(value, VariableNode)
                else bool(getattr(value, "value", False))
            )
            if holds is (directive.name.value == "skip"):
                return False
    return True


def has_exact_numbers(document: DocumentNode, schema: GraphQLSchema) -> bool:
    """Whether the answer may have numbers that clients get digit by digit: `Float`s, custom scalars, and what the schema doesn't know.

    Other types hold no such number, or (`ID`) what was rounded is found to be of the wrong type.
    """
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}

    def look(selections: SelectionSetNode, parent: GraphQLNamedType | None) -> bool:
        for node in selections.selections:
            if isinstance(node, FieldNode):
                if node.name.value == "__typename":
                    continue
                fields = parent.fields if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) else {}
                definition = fields.get(node.name.value)
                kind = None if definition is None else get_named_type(definition.type)
                if node.selection_set is None:
                    if not (isinstance(kind, GraphQLEnumType) or (kind is not None and kind.name in _ROUNDLESS)):
                        return True
                elif look(node.selection_set, kind):
                    return True
                continue
            fragment = fragments.get(node.name.value) if isinstance(node, FragmentSpreadNode) else node
            if isinstance(fragment, InlineFragmentNode | FragmentDefinitionNode):
                condition = fragment.type_condition
                kind = parent if condition is None else schema.get_type(condition.name.value)
                if look(fragment.selection_set, kind):
                    return True
        return False

    return any(
        look(definition.selection_set, schema.get_root_type(definition.operation))
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
    )
