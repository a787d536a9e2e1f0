"""Declarations of subgraphs -> those that may not know an entity, so that every plan gets the same answer."""

from collections.abc import Callable, Iterator, Mapping

from graphql import FieldNode, InlineFragmentNode, SelectionSetNode, get_named_type

from lab.fuzzing.declared import SubgraphFacts, TypeFacts
from lab.fuzzing.text import ROOTS

#: A concrete type and a field of it.
Place = tuple[str, str]


class Guests:
    """A *guest* is a subgraph that adds fields to things of a type which it never returns itself: one key leads there.

    Each of its fields is given by it alone, and so is each that requires one of them: otherwise the plan would decide
    whether the guest has to look a thing up.
    """

    def __init__(
        self,
        subgraphs: Mapping[str, SubgraphFacts],
        possible: Callable[[str], frozenset[str]],
        nullable: Callable[[str, str], bool],
    ) -> None:
        self._possible = possible
        self._givers: dict[Place, set[str]] = {}
        self._needs: dict[Place, set[str]] = {}
        #: Fields that come along otherwise, or as a key, or into a context.
        self._elsewhere: set[str] = set()
        for facts in subgraphs.values():
            for declared in facts.types.values():
                self._read(facts, declared)
        self.keys: dict[Place, tuple[str, ...]] = {}
        for facts in subgraphs.values():
            returned = self._returned(facts)
            for declared in facts.types.values():
                if len(declared.keys) != 1 or not declared.keys[0].resolvable or declared.name in ROOTS:
                    continue
                if declared.interface and not declared.interface_object:
                    continue
                for concrete in possible(declared.name) - returned:
                    if self._alone(declared, concrete):
                        names = declared.keys[0].names
                        self.keys[facts.name, concrete] = tuple(n for n in names if nullable(concrete, n))
        self.sources: dict[Place, frozenset[str]] = {}
        for place in self._givers:
            if found := self._sources(place):
                self.sources[place] = found

    def _read(self, facts: SubgraphFacts, declared: TypeFacts) -> None:
        for key in declared.keys:
            self._elsewhere |= set(names_of(key.fields))
        for name, field in declared.fields.items():
            self._elsewhere |= set(names_of(field.provides)) | {selected for _, selected in field.contexts.values()}
            if field.external or (declared.interface and not declared.interface_object):
                continue
            for concrete in self._possible(declared.name):
                self._givers.setdefault((concrete, name), set()).add(facts.name)
                if field.requires is not None:
                    needed = set(names_of(field.requires, deep=False))
                    self._needs.setdefault((concrete, name), set()).update(needed)

    def _returned(self, facts: SubgraphFacts) -> frozenset[str]:
        found: set[str] = set()
        for declared in facts.types.values():
            if declared.interface and declared.keys and not declared.interface_object:
                found |= self._possible(declared.name)  # it tells of which types interface objects are
            for field in declared.fields.values():
                found |= self._possible(facts.name_of(get_named_type(field.type).name))
        return frozenset(found)

    def _alone(self, declared: TypeFacts, concrete: str) -> bool:
        """True if nothing that the subgraph gives to such things has another way."""
        own = {name for name, field in declared.fields.items() if not field.external} - set(declared.keys[0].names)
        places = {(concrete, name) for name in own}
        while more := {p for p, needed in self._needs.items() if p[0] == concrete and needed & own} - places:
            places |= more
            own |= {name for _, name in more}
        return not own & self._elsewhere and all(len(self._givers[place]) == 1 for place in places)

    def _sources(self, place: Place, above: frozenset[Place] = frozenset()) -> frozenset[str]:
        concrete, _ = place
        found = frozenset(name for name in self._givers.get(place, ()) if (name, concrete) in self.keys)
        if place[1] in self._elsewhere or place in above:
            return frozenset()
        for needed in self._needs.get(place, ()):
            found |= self._sources((concrete, needed), above | {place})
        return found


def names_of(selection: SelectionSetNode | None, *, deep: bool = True) -> Iterator[str]:
    """Fields of a field set: all, or the outermost alone."""
    for node in selection.selections if selection is not None else ():
        if isinstance(node, FieldNode):
            yield node.name.value
            if deep:
                yield from names_of(node.selection_set)
        elif isinstance(node, InlineFragmentNode):
            yield from names_of(node.selection_set, deep=deep)
