"""Fields that representations need -> the same under response keys that are free, and how they are read."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from botberi_gateway.plan import KeyField, KeyFragment, KeySelection
from botberi_gateway.planner.tree import Field

#: A field's name and its arguments: what a response key stands for.
Meaning: TypeAlias = tuple[str, str]
#: A field that gives an object, and the name of a field that the client selects of it -> whether an error of the latter
#: may null the object.
MayNull: TypeAlias = Callable[[Field, str], bool]


@dataclass(slots=True)
class ResponseKeys:
    """The response keys at each place of the answer: the client's, and those that the planner adds."""

    client: Mapping[tuple[str, ...], Mapping[str, Meaning]]
    added: dict[tuple[str, ...], dict[str, Meaning]] = field(default_factory=dict)

    def key(self, path: tuple[str, ...], name: str, arguments: str, *, beside_client: bool = False) -> str:
        """A response key by which the planner selects a field, always the same for the same field.

        `beside_client`: one that the client doesn't have, even for the same field.
        """
        added = self.added.setdefault(path, {})
        client = self.client.get(path, {})
        meaning = (name, arguments)
        key, number = name, 0
        while (added.get(key) or client.get(key) or meaning) != meaning or (beside_client and key in client):
            key, number = f"__{name}_{number}", number + 1
        added[key] = meaning
        return key

    def with_keys(
        self, path: tuple[str, ...], field: Field, may_null: MayNull | None = None
    ) -> tuple[Field, list[KeySelection]]:
        """The field and all below it under free response keys; and how a representation reads it.

        `__typename` keeps its key. With `may_null`, an object that one of the client's fields may null is selected
        beside the client's.
        """
        if field.is_typename:
            typename: KeySelection = KeyField("__typename", "__typename")
            return field, [typename if field.types is None else KeyFragment(field.types, (typename,))]
        beside_client = may_null is not None and self._may_be_nulled(path, field, may_null)
        key = self.key(path, field.name, field.arguments_text, beside_client=beside_client)
        children: list[Field] = []
        selections: list[KeySelection] = []
        for child in field.children:
            child_with_key, below = self.with_keys((*path, key), child, may_null)
            children.append(child_with_key)
            selections += below
        selection: KeySelection = KeyField(field.name, key, tuple(selections))
        if field.types is not None:
            selection = KeyFragment(field.types, (selection,))
        if children or key != field.key:
            field = replace(field, key=key, children=tuple(children))
        return field, [selection]

    def _may_be_nulled(self, path: tuple[str, ...], field: Field, may_null: MayNull) -> bool:
        """Whether the client selects a field of the object that the planner doesn't, and that may null it."""
        if not field.children:
            return False
        needed = {child.name for child in field.children}
        client = self.client.get((*path, field.name), {})
        return any(name not in needed and may_null(field, name) for name, _ in client.values())


def conflicting(inputs: Iterable[KeySelection], more: Iterable[KeySelection]) -> bool:
    """Whether one representation can't have both.

    It can't if a field comes from two places (`@requires` with other arguments).
    """
    sources = {selection.name: selection.source for selection in inputs if isinstance(selection, KeyField)}
    return any(
        isinstance(selection, KeyField) and sources.get(selection.name, selection.source) != selection.source
        for selection in more
    )


def merge_inputs(into: list[KeySelection], more: Iterable[KeySelection]) -> None:
    """Add key selections to `into`, where selections of the same field become one."""
    for selection in more:
        for index, known in enumerate(into):
            if _alike(known, selection):
                below = list(known.selections)
                merge_inputs(below, selection.selections)
                into[index] = replace(known, selections=tuple(below))
                break
        else:
            into.append(selection)


def _alike(known: KeySelection, selection: KeySelection) -> bool:
    """Whether they are the same field, or fragments on the same types."""
    if isinstance(known, KeyField):
        return isinstance(selection, KeyField) and (known.name, known.source) == (selection.name, selection.source)
    return isinstance(selection, KeyFragment) and known.types == selection.types
