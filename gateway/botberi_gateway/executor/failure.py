"""Why data is missing (a fetch failed, an entity is unknown to its subgraph), and which fetch should have given it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
)

from botberi_gateway.errors import ErrorEntry
from botberi_gateway.plan import Fetch, Rename

#: Response keys of a selection, nested; type conditions don't matter here.
Keys: TypeAlias = dict[str, "Keys"]


@dataclass(frozen=True, slots=True)
class FetchFailure:
    """Why a fetch gave nothing; each field that is missing for that reason gets it as its error."""

    message: str
    code: str
    extensions: Mapping[str, Any] = field(default_factory=dict)
    #: Whether a null propagated up to here within the subgraph, from a field whose error it reported. If the null
    #: propagates further in the client's answer, the fields beside that field get no errors of their own.
    propagated: bool = False

    def at(self, path: tuple[str | int, ...] | None) -> ErrorEntry:
        return ErrorEntry(self.message, self.code, path, extensions=self.extensions)


@dataclass(frozen=True, slots=True)
class MissingData:
    """A fetch gave nothing for an object; without a `failure`, the subgraph answered null for it, which is no error."""

    fetch: Fetch
    #: The `_entities` field's key; None for a fetch at the root.
    response_key: str | None
    failure: FetchFailure | None = None

    def covers(self, path: list[str]) -> bool:
        """Whether the fetch would have given the field at this path (response keys below the object)."""
        keys = _expected(self.fetch.operation, self.response_key, self.fetch.renames)
        for key in path:
            if key not in keys:
                return False
            keys = keys[key]
        return True


@lru_cache(maxsize=512)
def _expected(operation: str, response_key: str | None, renames: tuple[Rename, ...]) -> Keys:
    document = parse(operation, no_location=True)
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    keys: Keys = {}
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            _collect(definition.selection_set, fragments, keys)
    if response_key is not None:
        keys = keys.get(response_key, {})
    for rename in renames:
        here = keys
        for element in rename.path:
            if isinstance(element, str):
                here = here.get(element, {})
        if rename.source in here:
            here.setdefault(rename.target, {}).update(here[rename.source])
    return keys


def _collect(selections: SelectionSetNode, fragments: dict[str, FragmentDefinitionNode], into: Keys) -> None:
    for node in selections.selections:
        if isinstance(node, FieldNode):
            below = into.setdefault((node.alias or node.name).value, {})
            if node.selection_set is not None:
                _collect(node.selection_set, fragments, below)
        elif isinstance(node, InlineFragmentNode):
            _collect(node.selection_set, fragments, into)
        elif isinstance(node, FragmentSpreadNode) and node.name.value in fragments:
            _collect(fragments[node.name.value].selection_set, fragments, into)
