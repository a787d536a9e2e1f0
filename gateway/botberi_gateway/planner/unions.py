"""The client's fields -> those that are asked for.

Of a union, members that not all candidates of a shared path know are withheld. Subgraphs may know different members of
a union. Where several of them can resolve the field that returns it, the answer must not depend on which one a plan
happens to ask: only members that all of them know are asked for (docs/adr/0010). Withheld fields are null, without an
error.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from botberi_gateway.plan import ListItems, Path, TypeCondition, Withheld
from botberi_gateway.planner.reach import Reach, Reaching
from botberi_gateway.planner.tree import Field
from botberi_gateway.query_graph import QueryGraph, Resolver

_ITEMS = ListItems()


def without_withheld(
    graph: QueryGraph, root: str, fields: tuple[Field, ...]
) -> tuple[tuple[Field, ...], tuple[Withheld, ...]]:
    """The fields to plan, and what is withheld. Fields below which nothing is withheld stay the same objects."""
    if not graph.partial_unions:
        return fields, ()
    unions = _Unions(graph)
    kept = unions.fields(fields, root, {}, ())
    return kept, unions.withheld()


class _Unions:
    """One operation's fields, and what is withheld of them."""

    def __init__(self, graph: QueryGraph) -> None:
        self.graph = graph
        self._reaching = Reaching(graph)
        #: Response keys, by the place of the objects and their types.
        self._withheld: defaultdict[tuple[Path, frozenset[str]], set[str]] = defaultdict(set)
        self._has_partial_below: dict[Field, bool] = {}

    def withheld(self) -> tuple[Withheld, ...]:
        """All that has been withheld."""
        return tuple(Withheld(path, types, frozenset(keys)) for (path, types), keys in self._withheld.items())

    def fields(self, fields: Iterable[Field], parent: str, reach: Reach, path: Path) -> tuple[Field, ...]:
        """What is asked for of the objects of type `parent` at this place."""
        return tuple(kept for field in fields for kept in self._field(field, parent, reach, path))

    def _field(self, field: Field, parent: str, reach: Reach, path: Path) -> Iterable[Field]:
        """The field with what is asked for below it.

        It is the field itself where nothing is withheld, else one field for each group of parents' types with the same
        candidates.
        """
        if not self._has_partial(field):
            return (field,)
        groups = self._by_candidates(field, parent, reach)
        same: set[str] = set()
        changed: list[tuple[frozenset[str], tuple[Field, ...]]] = []
        for candidates, types in groups.items():
            condition: Path = () if types == self.graph.possible(parent) else (TypeCondition(types),)
            below = (*path, *condition, field.key, *[_ITEMS] * field.list_depth)
            children = self._children(field, candidates, below)
            if _are_same(children, field.children):
                same.update(types)
            else:
                changed.append((types, children))
        if not changed:
            return (field,)
        if len(groups) == 1:
            return (replace(field, children=changed[0][1]),)
        kept = [replace(field, types=types, children=children) for types, children in changed]
        return [*([replace(field, types=frozenset(same))] if same else ()), *kept]

    def _by_candidates(self, field: Field, parent: str, reach: Reach) -> dict[tuple[Resolver, ...], frozenset[str]]:
        """The types that the field is selected for, by the candidates that resolve it."""
        groups: dict[tuple[Resolver, ...], list[str]] = {}
        for name in sorted(self.graph.possible(parent) if field.types is None else field.types):
            resolvers = self._reaching.candidates(name, field.name, reach)
            # The type's own name is left out: candidates of different types that resolve the field alike are to be
            # equal.
            candidates = tuple(replace(r, type_name="") if r.type_name == name else r for r in resolvers)
            groups.setdefault(candidates, []).append(name)
        return {candidates: frozenset(names) for candidates, names in groups.items()}

    def _children(self, field: Field, candidates: tuple[Resolver, ...], path: Path) -> tuple[Field, ...]:
        """What is asked for below a field that these candidates resolve."""
        assert field.type_name is not None
        children: Iterable[Field] = field.children
        members = self._common_members(candidates)
        if members is not None:
            children = [kept for child in children for kept in self._of_members(child, field.type_name, members, path)]
        return self.fields(children, field.type_name, self._reaching.below(candidates), path)

    def _common_members(self, candidates: Iterable[Resolver]) -> frozenset[str] | None:
        """The members of the union that all candidates know.

        None where they agree, or where one of them has no union there.
        """
        members = {}
        for candidate in candidates:
            static = self.graph.subgraph_type(candidate.graph, candidate.field.type_name)
            if static is None or static.kind != "UNION":
                return None
            members[candidate.graph] = static.possible
        return None if len(set(members.values())) < 2 else frozenset.intersection(*members.values())

    def _of_members(self, child: Field, union: str, members: frozenset[str], path: Path) -> Iterable[Field]:
        """The field for those members of the union that it is asked of; notes what is withheld."""
        if child.is_typename:
            return (child,)
        types = self.graph.possible(union) if child.types is None else child.types
        # A field that can't be null is asked of every member: its null would propagate to the object, and to what
        # stands around it.
        withheld = frozenset(t for t in types - members if not self.graph.facts(t, child.name).text.endswith("!"))
        if not withheld:
            return (child,)
        self._withheld[path, withheld].add(child.key)
        return (replace(child, types=types - withheld),) if types - withheld else ()

    def _has_partial(self, field: Field) -> bool:
        """Whether the field, or one below it, returns a union of which subgraphs know different members."""
        if field.type_name is None:
            return False
        known = self._has_partial_below.get(field)
        if known is None:
            known = field.type_name in self.graph.partial_unions or any(map(self._has_partial, field.children))
            self._has_partial_below[field] = known
        return known


def _are_same(fields: tuple[Field, ...], others: tuple[Field, ...]) -> bool:
    """Whether they are the same objects."""
    return len(fields) == len(others) and all(field is other for field, other in zip(fields, others, strict=True))
