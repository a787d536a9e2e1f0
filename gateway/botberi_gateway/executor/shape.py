"""A fetch's operation and the values of the conditions -> which response keys its answer has, nested."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, TypeAlias

from graphql import (
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    OperationType,
    get_named_type,
)

from botberi_gateway.plan import Fetch, Rename, Selected, SelectedField

_ROUNDLESS: Final = frozenset(("Int", "String", "Boolean", "ID"))

#: Boolean variable -> whether it is true in this variant of the program.
Conditions: TypeAlias = Mapping[str, bool]


@dataclass(slots=True, eq=False)
class Keys:
    """The response keys of an object in an answer.

    Whether the object's type has a key is left to the answer: type conditions don't matter here.
    """

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


def answer_keys(fetch: Fetch, conditions: Conditions | None) -> Keys:
    """The keys of the whole answer, renames undone; entities are below the response keys of `_entities` fields.

    Without `conditions` it has the keys of every answer that there can be.
    """
    keys = Keys()
    _collect(fetch.selections, conditions, keys)
    if fetch.entities:
        for entities in fetch.entities:
            undo_renames(keys.below.get(entities.response_key, Keys()), fetch.renames)
    else:
        undo_renames(keys, fetch.renames)
    return keys


@lru_cache(maxsize=512)
def possible_keys(fetch: Fetch) -> Keys:
    """The keys of every answer that there can be."""
    return answer_keys(fetch, None)


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


def _collect(selections: Sequence[Selected], conditions: Conditions | None, into: Keys) -> None:
    for selected in selections:
        if selected.conditions and conditions is not None and not is_included(selected, conditions):
            continue
        below = into
        if isinstance(selected, SelectedField):
            below = into.below.setdefault(selected.key, Keys())
            if selected.key != selected.name:
                into.aliased.add(selected.key)
        _collect(selected.selections, conditions, below)


def is_included(selected: Selected, conditions: Conditions) -> bool:
    """Whether its conditions hold. A variable that is none of the conditions counts as false, as an absent one does."""
    return all(conditions.get(variable, False) is value for variable, value in selected.conditions)


def has_exact_numbers(fetch: Fetch, schema: GraphQLSchema) -> bool:
    """Whether the answer may have numbers that clients get digit by digit.

    They are `Float`s, custom scalars, and what the schema doesn't know.

    Other types hold no such number, or (`ID`) what was rounded is found to be of the wrong type.
    """
    return _has_exact_numbers(fetch.selections, schema.get_root_type(OperationType(fetch.kind)), schema)


def _has_exact_numbers(selections: Sequence[Selected], parent: GraphQLNamedType | None, schema: GraphQLSchema) -> bool:
    fields = parent.fields if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) else {}
    for selected in selections:
        kind = parent
        if isinstance(selected, SelectedField):
            if selected.name == "__typename":
                continue
            definition = fields.get(selected.name)
            kind = None if definition is None else get_named_type(definition.type)
        elif selected.type_name is not None:
            kind = schema.get_type(selected.type_name)
        if not selected.selections:
            if not (isinstance(kind, GraphQLEnumType) or (kind is not None and kind.name in _ROUNDLESS)):
                return True
        elif _has_exact_numbers(selected.selections, kind, schema):
            return True
    return False
