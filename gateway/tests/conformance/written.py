r"""`data.json` of a case -> the facts that its subgraphs and the monolith answer with.

An object of the file is named by its type and a label, `"Book 1": {"title": "Emma", "author": "Person 7"}`; where a
field gives an object, its value is such a name, or the object itself (`{"__typename": ..., ...}` where the type alone
doesn't say which). A field with arguments may have a value for each: `"price(currency: \"EUR\")": 12`. `{"!":
"message"}` is a field that fails. Fields of `Query`, `Mutation` and `Subscription 1` are those of the root types; a
subscription's objects are its events.
"""

import json
from collections.abc import Mapping
from typing import Any

from graphql import FieldNode, GraphQLError, is_abstract_type, is_leaf_type, is_list_type, is_non_null_type

from lab.fuzzing.declared import FieldFacts
from lab.fuzzing.world import Facts, Thing, Trouble, World


class WrittenFacts(Facts):
    """Facts that a person wrote down. `unknown` says which entities a subgraph doesn't have: subgraph -> names."""

    def __init__(
        self, world: World, trouble: Trouble, data: Mapping[str, Mapping[str, Any]], unknown: Mapping[str, list[str]]
    ) -> None:
        super().__init__(world, trouble)
        self._things: dict[str, Thing] = {}
        self._fields: dict[Thing, Mapping[str, Any]] = {}
        for name, fields in data.items():
            type_name = name.partition(" ")[0]
            self._things[name] = self._new(type_name, fields)
        self._unknown = {(subgraph, self._things[name]) for subgraph, names in unknown.items() for name in names}

    def _new(self, type_name: str, fields: Mapping[str, Any]) -> Thing:
        thing = Thing(type_name, self.population(type_name))
        self._fields[thing] = fields
        return thing

    def population(self, type_name: str) -> int:
        """How many objects of the type there are."""
        return sum(thing.type == type_name for thing in self._fields)

    def knows(self, subgraph: str, thing: Thing) -> bool:
        """Whether a subgraph that is asked for the object by its key finds it."""
        return (subgraph, thing) not in self._unknown

    def value(self, thing: Thing, name: str, arguments: Mapping[str, Any]) -> Any:
        """As `Facts.value`. Raises `LookupError` where the file has no such value."""
        if self._lost(thing, name):
            return None
        fields = self._fields[thing]
        written = ", ".join(f"{key}: {json.dumps(arguments[key], ensure_ascii=False)}" for key in sorted(arguments))
        label = f"{name}({written})"
        if label not in fields and name not in fields:
            raise LookupError(f"data.json has no value for {thing.type}.{label}: {fields}")
        chosen = label if label in fields else name
        return self._read(fields[chosen], self.world.type_of(thing.type, name), fields, (chosen,))

    def _lost(self, thing: Thing, name: str) -> bool:
        """Whether no subgraph can give the field.

        Then none of those that have it knows the object, or none can get what it requires.
        """
        givers = [
            (subgraph, declared)
            for subgraph, facts in self.world.subgraphs.items()
            for owner in self.world.names_of(thing.type)
            if (declared := facts.field(owner, name)) is not None and not declared.external
        ]
        return bool(givers) and not any(
            self.knows(subgraph, thing) and not any(self._lost(thing, required) for required in _required(declared))
            for subgraph, declared in givers
        )

    def _read(self, value: Any, type_: Any, fields: Mapping[str, Any], path: tuple[str | int, ...]) -> Any:
        if is_non_null_type(type_):
            type_ = type_.of_type
        if value is None:
            return None
        if isinstance(value, Mapping) and "!" in value:
            return GraphQLError(value["!"])
        if is_list_type(type_):
            return [self._read(item, type_.of_type, fields, (*path, index)) for index, item in enumerate(value)]
        if is_leaf_type(type_):
            return value
        if isinstance(value, str):
            return self._things[value]
        known = next((thing for thing, own in self._fields.items() if own is value), None)
        if known is not None:
            return known
        return self._new(value["__typename"] if is_abstract_type(type_) else type_.name, value)


def _required(declared: FieldFacts) -> list[str]:
    """Names of the fields that it requires, those of the same object."""
    selections = () if declared.requires is None else declared.requires.selections
    return [node.name.value for node in selections if isinstance(node, FieldNode)]
