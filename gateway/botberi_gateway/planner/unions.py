"""The client's fields -> those that are asked for: of a union, members that not all candidates of a shared path know are left out.

Subgraphs may know different members of a union. Where several of them can resolve the field that returns it, the answer must not depend on which of
them a plan happens to ask: only members that all of them know are asked for (docs/adr/0010). What is left out is null, and no error.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from botberi_gateway.plan import ListItems, Path, TypeCondition, Withheld
from botberi_gateway.planner.reach import Reach, Reaching
from botberi_gateway.planner.tree import Field
from botberi_gateway.query_graph import QueryGraph, Resolver

_ITEMS = ListItems()


def narrowed(graph: QueryGraph, root: str, fields: tuple[Field, ...]) -> tuple[tuple[Field, ...], tuple[Withheld, ...]]:
    """The fields to plan, and what is withheld. Fields below which nothing is left out stay the same objects."""
    if not graph.partial_unions:
        return fields, ()
    unions = _Unions(graph)
    kept = unions.fields(fields, root, {}, ())
    return kept, unions.withheld()


class _Unions:
    def __init__(self, graph: QueryGraph) -> None:
        self.graph = graph
        self._reaching = Reaching(graph)
        #: By the place of the objects and their types.
        self._withheld: defaultdict[tuple[Path, frozenset[str]], set[str]] = defaultdict(set)
        self._concerned: dict[Field, bool] = {}

    def withheld(self) -> tuple[Withheld, ...]:
        return tuple(Withheld(path, types, frozenset(keys)) for (path, types), keys in self._withheld.items())

    def fields(self, fields: Iterable[Field], parent: str, reach: Reach, path: Path) -> tuple[Field, ...]:
        """Those of objects of type `parent` at this place."""
        return tuple(kept for one in fields for kept in self._field(one, parent, reach, path))

    def _field(self, one: Field, parent: str, reach: Reach, path: Path) -> Iterable[Field]:
        """The field itself, or for each group of its object's types what is left of it there."""
        if not self._has_partial(one):
            return (one,)
        assert one.type_name is not None
        types = self.graph.possible(parent) if one.types is None else one.types
        groups: dict[tuple[Resolver, ...], list[str]] = {}
        for name in sorted(types):
            groups.setdefault(self._alike(name, one.name, reach), []).append(name)
        same: set[str] = set()
        changed: list[tuple[frozenset[str], tuple[Field, ...]]] = []
        for candidates, names in groups.items():
            here = frozenset(names)
            condition: Path = () if here == self.graph.possible(parent) else (TypeCondition(here),)
            below = (*path, *condition, one.key, *[_ITEMS] * one.list_depth)
            children = self._children(one, candidates, below)
            if len(children) == len(one.children) and all(map(_is, children, one.children)):
                same.update(here)
            else:
                changed.append((here, children))
        if not changed:
            return (one,)
        if len(groups) == 1:
            return (replace(one, children=changed[0][1]),)
        kept = [replace(one, types=here, children=children) for here, children in changed]
        return [*([replace(one, types=frozenset(same))] if same else ()), *kept]

    def _alike(self, type_name: str, field: str, reach: Reach) -> tuple[Resolver, ...]:
        """The candidates of a type's field; those of types that mean the same are equal."""
        found = self._reaching.candidates(type_name, field, reach)
        return tuple(replace(one, type_name="") if one.type_name == type_name else one for one in found)

    def _children(self, one: Field, candidates: tuple[Resolver, ...], path: Path) -> tuple[Field, ...]:
        assert one.type_name is not None
        children: Iterable[Field] = one.children
        known = self._known_to_all(candidates)
        if known is not None:
            children = [kept for child in children for kept in self._known(child, one.type_name, known, path)]
        return self.fields(children, one.type_name, self._reaching.below(candidates), path)

    def _known_to_all(self, candidates: Iterable[Resolver]) -> frozenset[str] | None:
        """The members that all of them know; None where they agree, or where one of them has no union there."""
        members = {}
        for one in candidates:
            static = self.graph.subgraph_type(one.graph, one.field.type_name)
            if static is None or static.kind != "UNION":
                return None
            members[one.graph] = static.possible
        return None if len(set(members.values())) < 2 else frozenset.intersection(*members.values())

    def _known(self, child: Field, union: str, known: frozenset[str], path: Path) -> Iterable[Field]:
        """The field for those members of the union that it is asked of."""
        if child.is_typename:
            return (child,)
        types = self.graph.possible(union) if child.types is None else child.types
        # A null where none may be would take the object, and what stands around it.
        left_out = frozenset(name for name in types - known if not self.graph.facts(name, child.name)[2].endswith("!"))
        if not left_out:
            return (child,)
        self._withheld[path, left_out].add(child.key)
        return (replace(child, types=types - left_out),) if types - left_out else ()

    def _has_partial(self, one: Field) -> bool:
        """Whether the field, or one below it, returns a union of which subgraphs know different members."""
        if one.type_name is None:
            return False
        found = self._concerned.get(one)
        if found is None:
            found = one.type_name in self.graph.partial_unions or any(map(self._has_partial, one.children))
            self._concerned[one] = found
        return found


def _is(one: Field, other: Field) -> bool:
    return one is other
