"""An object in one subgraph -> the subgraphs in which it can be continued, by keys; with memory instead of paths."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from graphql import FieldNode, InlineFragmentNode, SelectionSetNode, print_ast

from botberi_gateway.federation import normal_field_set, parse_field_set
from botberi_gateway.query_graph import QueryGraph, SubgraphField

_NO_CONTEXTS: frozenset[str] = frozenset()


class Position(NamedTuple):
    """An object as one subgraph gave it: `type_name` is the object's type, or the interface's that is an object there.

    `provides` is what a @provides on the way promised (a field set's text); `contexts` are those that a type on the way
    set.
    """

    graph: str
    type_name: str
    provides: str | None = None
    contexts: frozenset[str] = _NO_CONTEXTS


#: An object's type, a position, and a subgraph that may not be entered.
Key: TypeAlias = "tuple[str, Position, str | None]"


class Reach:
    """Answers for one supergraph and one choice of labels. Everything is computed once.

    `reach` is a least fixpoint: each key that can be fetched at the positions so far adds the position that it leads
    to. Positions that depend on each other are computed together, round by round, until nothing is added.
    """

    def __init__(self, graph: QueryGraph) -> None:
        self.graph = graph
        self.roots = {name for name in graph.roots.values() if name}
        self._table: dict[Key, frozenset[Position]] = {}
        self._final: set[Key] = set()
        self._pending: dict[Key, None] = {}
        self._running = False
        self._given: dict[tuple[str, str], frozenset[str]] = {}
        self._children: dict[tuple[str, Position, str], Position | None] = {}
        self._open: set[tuple[str, Position, str]] = set()
        self._circles = 0
        self._contexts = _contexts(graph)

    def reach(self, type_name: str, position: Position, without: str | None = None) -> frozenset[Position]:
        """All positions of the same object, `position` included; `type_name` is the object's type."""
        key = (type_name, position, without)
        if key in self._final:
            return self._table[key]
        if self._running:
            if key not in self._pending:
                self._pending[key] = None
                self._table[key] = frozenset((position,))
            return self._table[key]
        self._running = True
        try:
            self._pending = {key: None}
            self._table[key] = frozenset((position,))
            changed = True
            while changed:
                changed = False
                count = len(self._pending)
                for entry in list(self._pending):
                    positions = self._step(*entry)
                    if positions != self._table[entry]:
                        self._table[entry] = positions
                        changed = True
                changed = changed or len(self._pending) > count
            self._final |= self._pending.keys()
            return self._table[key]
        finally:
            self._pending = {}
            self._running = False

    def _step(self, type_name: str, position: Position, without: str | None) -> frozenset[Position]:
        if type_name in self.roots:
            positions = {position}
            for name in self.graph.graphs:
                if self.graph.subgraph_type(name, type_name) is not None:
                    positions.add(self.with_contexts(Position(name, type_name, None, position.contexts)))
            return frozenset(positions)
        #: Position -> the key by which it was entered. A position can't help with the very key that led to it.
        entered: dict[Position, str | None] = {position: None}
        grown = True
        while grown:
            grown = False
            names = {p.type_name for p in entered}
            graphs = {(p.graph, p.type_name) for p in entered if p.provides is None}
            for static in names:
                for entry in self.graph.key_edges(static):
                    target = self._target(entry.graph, entry.type_name, type_name)
                    if target is None or entry.graph == without or (entry.graph, target) in graphs:
                        continue
                    key = normal_field_set(entry.key)
                    helpers = [p for p, by in entered.items() if by != key]
                    needed = parse_field_set(entry.key)
                    if self.missing(type_name, helpers, needed, without or entry.graph) is None:
                        entered[self.with_contexts(Position(entry.graph, target, None, position.contexts))] = key
                        graphs.add((entry.graph, target))
                        grown = True
        return frozenset(entered)

    def _target(self, graph: str, entered: str, type_name: str) -> str | None:
        """The type name of the position after an entry to `graph` by a key of `entered`."""
        view = self.graph.subgraph_type(graph, entered)
        if view is None:
            return None
        if entered == type_name or view.is_interface_object:
            return entered
        return type_name if type_name in view.possible else None

    def satisfied(self, type_name: str, positions: Iterable[Position], selection: SelectionSetNode) -> bool:
        """Whether everything in the selection can be fetched for an object at these positions."""
        return self.missing(type_name, positions, selection) is None

    def missing(
        self,
        type_name: str,
        positions: Iterable[Position],
        selection: SelectionSetNode,
        without: str | None = None,
    ) -> str | None:
        """The first field of the selection that can't be fetched; `without` is a subgraph that may not help.

        The reference composers don't let a subgraph give the fields of the key that it is entered by, nor do they take
        fields whose resolver a label decides: verdicts are to be the same.
        """
        held = list(positions)
        for node in selection.selections:
            if isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                if condition is None or self._covers(condition.name.value, type_name):
                    lacking = self.missing(type_name, held, node.selection_set, without)
                    if lacking is not None:
                        return lacking
            elif isinstance(node, FieldNode) and node.name.value != "__typename":
                name = node.name.value
                children = [c for p in held if (c := self.child(type_name, p, name)) is not None]
                if not children or self._is_labelled(type_name, name):
                    return f"{type_name}.{name}"
                if node.selection_set is not None:
                    for concrete, below in self.split(children):
                        reached = self.all_reached(concrete, below, without)
                        lacking = self.missing(concrete, reached, node.selection_set, without)
                        if lacking is not None:
                            return lacking
        return None

    def _is_labelled(self, type_name: str, field: str) -> bool:
        merged = self.graph.types[type_name].fields.get(field)
        return merged is not None and any(join.override_label for join in merged.joins)

    def _covers(self, condition: str, type_name: str) -> bool:
        return condition in self.graph.types and type_name in self.graph.possible(condition)

    def all_reached(self, type_name: str, positions: Iterable[Position], without: str | None = None) -> set[Position]:
        """The union of `reach` for all positions."""
        return {reached for position in positions for reached in self.reach(type_name, position, without)}

    def split(self, positions: Iterable[Position]) -> Iterator[tuple[str, list[Position]]]:
        """Concrete types that objects at these positions can be of, each with the positions where it can be."""
        by_type: dict[str, list[Position]] = {}
        for position in positions:
            view = self.graph.subgraph_type(position.graph, position.type_name)
            if view is None:
                continue
            for name in view.possible:
                by_type.setdefault(name, []).append(self.narrowed(position, name))
        yield from sorted(by_type.items())

    def narrowed(self, position: Position, type_name: str) -> Position:
        """The position once it is known what the object is; an interface object stays one."""
        view = self.graph.subgraph_type(position.graph, position.type_name)
        if view is not None and view.is_interface_object:
            return self.with_contexts(position)
        return self.with_contexts(position._replace(type_name=type_name))

    def given(self, position: Position) -> frozenset[str]:
        """Fields that an object at this position gives without any condition."""
        key = (position.graph, position.type_name)
        result = self._given.get(key)
        if result is None:
            view = self.graph.subgraph_type(*key)
            fields = view.fields.values() if view is not None else ()
            result = self._given[key] = frozenset(f.name for f in fields if f.is_local)
        return result

    def child(self, type_name: str, position: Position, field: str) -> Position | None:
        """Where the field's value is, None if this subgraph can't give it at this position."""
        key = (type_name, position, field)
        if key in self._children:
            return self._children[key]
        if key in self._open:  # to have it one would have to have it: it can't be had this way
            self._circles += 1
            return None
        self._open.add(key)
        circles = self._circles
        try:
            result = self._child(type_name, position, field)
        finally:
            self._open.discard(key)
        # what can be had stays so; what can't may come with the next round, or when the circle is left
        if result is not None or not (self._running or (self._open and self._circles > circles)):
            self._children[key] = result
        return result

    def _child(self, type_name: str, position: Position, field: str) -> Position | None:
        view = self.graph.subgraph_type(position.graph, position.type_name)
        definition = view.fields.get(field) if view is not None else None
        if definition is None:
            return None
        provided = self._provided(type_name, position.provides, field)
        if definition.external and provided is None:
            return None
        if provided is None and not self._conditions_hold(type_name, position, definition):
            return None
        texts = [text for text in (definition.provides, provided or None) if text]
        return Position(position.graph, definition.type_name, " ".join(texts) or None, position.contexts)

    def _conditions_hold(self, type_name: str, position: Position, field: SubgraphField) -> bool:
        if not self._contexts_hold(position, field.name):
            return False
        if not field.requires:
            return True
        selection = parse_field_set(field.requires)
        if self.satisfied(type_name, (position,), selection):
            return True
        if not self.graph.own_key_edges(position.type_name, position.graph):
            return False  # nothing to come back by, once the required fields are fetched elsewhere
        return self.satisfied(type_name, self.reach(type_name, position), selection)

    def _provided(self, type_name: str, provides: str | None, field: str) -> str | None:
        """The field set that is provided below the field ("" for a leaf), None where the field isn't provided."""
        if provides is None:
            return None
        texts = list(self._provided_in(type_name, parse_field_set(provides), field))
        return " ".join(texts) if texts else None

    def _provided_in(self, type_name: str, selection: SelectionSetNode, field: str) -> Iterator[str]:
        for node in selection.selections:
            if isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                if condition is None or self._covers(condition.name.value, type_name):
                    yield from self._provided_in(type_name, node.selection_set, field)
            elif isinstance(node, FieldNode) and node.name.value == field:
                yield _text(node.selection_set)

    # ---- contexts ----

    def with_contexts(self, position: Position) -> Position:
        """The position with the contexts that its own type sets in any subgraph.

        The value of a context is fetched from the subgraph that has it.
        """
        if not self._contexts:
            return position
        names = [position.type_name, *self.graph.types[position.type_name].interfaces]
        names += [t.name for t in self.graph.types.values() if position.type_name in t.members]
        contexts = {c for name in names for c in self._contexts.get(name, ())}
        return position._replace(contexts=position.contexts | contexts) if contexts else position

    def _contexts_hold(self, position: Position, field: str) -> bool:
        if not self._contexts:
            return True
        merged = self.graph.types[position.type_name].fields.get(field)
        for join in merged.joins if merged is not None else ():
            if join.graph == position.graph:
                return all(a.context in position.contexts for a in join.context_arguments)
        return True


def _contexts(graph: QueryGraph) -> dict[str, set[str]]:
    """Type -> the contexts that it sets."""
    contexts: dict[str, set[str]] = {}
    for type_ in graph.types.values():
        for node in type_.directives:
            if node.name.value == "context" or node.name.value.endswith("__context"):
                for argument in node.arguments or ():
                    value = getattr(argument.value, "value", None)
                    if argument.name.value == "name" and isinstance(value, str):
                        contexts.setdefault(type_.name, set()).add(value)
    return contexts


def _text(selection: SelectionSetNode | None) -> str:
    if selection is None:
        return ""
    return print_ast(selection).strip()[1:-1].strip()
