"""Fields that representations need -> the same under free response keys, and how they are read from the data."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from botberi_gateway.plan import KeyField, KeyFragment, KeySelection
from botberi_gateway.planner.tree import Field


@dataclass(slots=True)
class Names:
    """Response keys at each place of the answer: what the client took, and what the planner needs beside."""

    taken: Mapping[tuple[str, ...], Mapping[str, tuple[str, str]]]
    own: dict[tuple[str, ...], dict[str, tuple[str, str]]] = field(default_factory=dict)

    def key(self, path: tuple[str, ...], name: str, arguments: str, *, apart: bool = False) -> str:
        """A response key for the planner's own use of a field, the same for the same use; `apart`: not together with the client's."""
        mine = self.own.setdefault(path, {})
        client = self.taken.get(path, {})
        wanted = (name, arguments)
        candidate, number = name, 0
        while (mine.get(candidate) or client.get(candidate) or wanted) != wanted or (apart and candidate in client):
            candidate, number = f"__{name}_{number}", number + 1
        mine[candidate] = wanted
        return candidate

    def named(
        self, path: tuple[str, ...], one: Field, spoils: Callable[[Field, str], bool] | None = None
    ) -> tuple[Field, list[KeySelection]]:
        """The field under response keys that are free; and its key selection. `__typename` has always its own.

        `spoils` says of an object and of another field which the client selects of it whether that field's error may null the object.
        """
        if one.is_typename:
            read: KeySelection = KeyField("__typename", "__typename")
            return one, [read if one.types is None else KeyFragment(one.types, (read,))]
        below = self.taken.get((*path, one.name), {}).values() if spoils is not None and one.children else ()
        own = {child.name for child in one.children}
        apart = spoils is not None and any(name not in own and spoils(one, name) for name, _ in below)
        key = self.key(path, one.name, one.arguments_text, apart=apart)
        children: list[Field] = []
        selections: list[KeySelection] = []
        for child in one.children:
            named, selection = self.named((*path, key), child, spoils)
            children.append(named)
            selections += selection
        made = replace(one, key=key, children=tuple(children))
        result: list[KeySelection] = [KeyField(one.name, key, tuple(selections))]
        if one.types is not None:
            result = [KeyFragment(one.types, tuple(result))]
        return made, result


def conflicting(inputs: Iterable[KeySelection], more: Iterable[KeySelection]) -> bool:
    """Whether a representation can't carry both: one field from two sources (`@requires` with other arguments)."""
    sources = {one.name: one.source for one in inputs if isinstance(one, KeyField)}
    return any(isinstance(one, KeyField) and sources.get(one.name, one.source) != one.source for one in more)


def merge_inputs(into: list[KeySelection], more: Iterable[KeySelection]) -> None:
    """Add key selections, those of the same field merged."""
    for selection in more:
        for index, known in enumerate(into):
            if (
                isinstance(known, KeyField)
                and isinstance(selection, KeyField)
                and (known.name, known.source) == (selection.name, selection.source)
            ) or (
                isinstance(known, KeyFragment) and isinstance(selection, KeyFragment) and known.types == selection.types
            ):
                below = list(known.selections)
                merge_inputs(below, selection.selections)
                into[index] = replace(known, selections=tuple(below))
                break
        else:
            into.append(selection)
