"""The selection of one request -> a subgraph operation as text and what it selects as data, with necessary renames."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from graphql import VariableDefinitionNode

from botberi_gateway.federation.printed import printed, printed_type
from botberi_gateway.plan import ListItems, Path, Rename, Selected, SelectedField, SelectedFragment
from botberi_gateway.planner.conditions import ALWAYS, Conditions, VariableCondition, in_order
from botberi_gateway.planner.fetch_graph import Item, Selection
from botberi_gateway.query_graph import QueryGraph

_BASE = re.compile(r"\w+")
ITEMS = ListItems()
TYPENAME = SelectedField("__typename", "__typename")


class Printed(NamedTuple):
    """Fields as text, and the same as data."""

    text: str
    selections: tuple[Selected, ...]


class _Place(NamedTuple):
    """A selection set within the operation."""

    path: Path = ()
    #: The response keys of `path`.
    keys: tuple[str, ...] = ()
    #: Conditions that hold wherever it is.
    implied: Conditions = ALWAYS
    #: Fields of several types, or of several selections, have their response keys here.
    is_mixed: bool = False


class Printer:
    """Prints the selections of one request; collects the variables that they use and the renames that they need."""

    def __init__(self, graph: QueryGraph) -> None:
        self.graph = graph
        self.variables: dict[str, None] = {}
        self.renames: list[Rename] = []
        #: Response keys from the root -> the type of the field there.
        self._shapes: dict[tuple[str, ...], str] = {}

    def selection(self, selection: Selection, *, implied: Conditions = ALWAYS) -> Printed:
        """The fields at the root, without braces. `implied` are conditions that hold wherever the operation is sent."""
        return self._fields(selection, _Place(implied=implied))

    def fields(
        self,
        selection: Selection,
        *,
        implied: Conditions = ALWAYS,
        is_mixed: bool = False,
        is_framed: bool = False,
        beside: frozenset[str] = frozenset(),
    ) -> Printed:
        """The fields of entities, without braces.

        `is_mixed`: other selections answer under the same response keys. `is_framed`: each field stands in a fragment
        on its own type. `beside`: types of other objects at the same place, for which these fields aren't.
        """
        place = _Place(implied=implied, is_mixed=is_mixed)
        return self._fields(selection, place, self._frames(selection, beside) if is_framed else (), beside)

    def _fields(
        self,
        selection: Selection,
        place: _Place,
        frames: tuple[str, ...] = (),
        beside: frozenset[str] = frozenset(),
    ) -> Printed:
        """The fields, within fragments on the types `frames` if there are any.

        A field that isn't for all types of the selection stands in fragments on its own types.
        """
        static = selection.static
        is_abstract = static is None or static.is_abstract
        if is_abstract and not place.is_mixed:
            place = place._replace(is_mixed=True)
        texts = _Texts()
        if selection.typename or not selection.items:
            texts.add(Printed("__typename", (TYPENAME,)), frames)
        for item in selection.items:
            if static is not None and (not is_abstract or self._is_for_all(selection, item)):
                texts.add(self._item(selection, item, static.name, place), frames)
            else:
                for name in self._narrower_types(selection, item, beside):
                    texts.add(self._item(selection, item, name, place), (name,))
        return texts.joined()

    def _frames(self, selection: Selection, beside: frozenset[str]) -> tuple[str, ...]:
        """The types for fragments around the whole selection."""
        static = selection.static
        if static is None or (static.is_abstract and static.possible & beside):
            return tuple(sorted(selection.types))
        return (static.name,)

    def _is_for_all(self, selection: Selection, item: Item) -> bool:
        """Whether the item is a field of the abstract type, and for all types that the selection can have."""
        static = selection.static
        if static is None or not item.types >= selection.types:
            return False
        return item.field.is_typename or item.field.name in static.fields

    def _narrower_types(self, selection: Selection, item: Item, beside: frozenset[str]) -> tuple[str, ...]:
        """Types for fragments around the item: an interface that has exactly its types, else each concrete type."""
        via = item.field.via
        if via and via in self.graph.types and self.graph.types[via].kind == "INTERFACE":
            interface = self.graph.subgraph_type(selection.graph, via)
            if (
                interface is not None
                and not interface.is_interface_object
                and not interface.is_assumed
                and (item.field.is_typename or item.field.name in interface.fields)
                and interface.possible & (selection.types | beside) == item.types
                and (selection.static is not None or len(item.types) > 1)
            ):
                return (via,)
        return tuple(sorted(item.types))

    def _item(self, selection: Selection, item: Item, type_name: str, place: _Place) -> Printed:
        """A field of `type_name` with its arguments, directives and selection."""
        field = item.field
        key = self._response_key(selection, item, type_name, place) if place.is_mixed else field.key
        name = field.name if key == field.name else f"{key}: {field.name}"
        conditions: tuple[VariableCondition, ...] = ()
        on_field, around = "", list[str]()
        if item.conditions.variables:
            conditions = in_order(item.conditions.variables - place.implied.variables)
            self.variables.update(dict.fromkeys(variable for variable, _ in conditions))
            # A directive stands once at a field: the rest goes around it.
            on_field, around = split_conditions(conditions)
        text = name + field.arguments_text + on_field + field.directives_text
        if field.variables:
            self.variables.update(dict.fromkeys(sorted(field.variables)))
        selections: tuple[Selected, ...] = ()
        if item.child is not None:
            path = (*place.path, key, *[ITEMS] * field.list_depth)
            below = self._fields(item.child, _Place(path, (*place.keys, key), ALWAYS, place.is_mixed))
            text += " { " + below.text + " }"
            selections = below.selections
        if around or field.fragment_directives:
            text = wrapped(text, (*around, *reversed(field.fragment_directives)))
        return Printed(text, (SelectedField(field.name, key, selections, conditions),))

    def _response_key(self, selection: Selection, item: Item, type_name: str, place: _Place) -> str:
        """The field's response key; another one where a field of another type has it already.

        GraphQL specification, section 5.3.2 Field Selection Merging: response keys have one shape, whatever the
        objects' types.
        """
        field = item.field
        if field.is_typename:
            return field.key
        own = self.graph.subgraph_type(selection.graph, type_name)
        declared = own.fields.get(field.name) if own is not None else None
        if declared is None:
            return field.key
        shape = _BASE.sub("{}", declared.shape) if item.child is not None else declared.shape
        key, number = field.key, 0
        while self._shapes.setdefault((*place.keys, key), shape) != shape:
            key, number = f"__r{number}_{field.key}", number + 1
        if key != field.key:
            rename = Rename(place.path, key, field.key)
            if rename not in self.renames:
                self.renames.append(rename)
        return key


class _Texts:
    """Fields of a selection set, by their texts: some stand in it directly, others in fragments."""

    def __init__(self) -> None:
        self.direct: dict[str, tuple[Selected, ...]] = {}
        self.fragments: dict[str, dict[str, tuple[Selected, ...]]] = {}

    def add(self, printed: Printed, frames: Iterable[str]) -> None:
        """A field that stands in a fragment on each of the types `frames`; directly, if there are none."""
        is_direct = True
        for name in frames:
            is_direct = False
            self.fragments.setdefault(name, {}).setdefault(*printed)
        if is_direct:
            self.direct.setdefault(*printed)

    def joined(self) -> Printed:
        """All of it. What is asked of every object isn't asked again of some."""
        by_text: dict[str, tuple[tuple[Selected, ...], list[str]]] = {}
        for name, fields in self.fragments.items():
            left = {text: selected for text, selected in fields.items() if text not in self.direct}
            if left:
                inner = tuple([one for selected in left.values() for one in selected])
                by_text.setdefault(" ".join(left), (inner, []))[1].append(name)
        texts = list(self.direct)
        selections = [one for selected in self.direct.values() for one in selected]
        for text, (below, names) in by_text.items():
            texts += [f"... on {name} {{ {text} }}" for name in names]
            selections += [SelectedFragment(name, below) for name in names]
        return Printed(" ".join(texts), tuple(selections))


def split_conditions(conditions: Iterable[VariableCondition]) -> tuple[str, list[str]]:
    """Directives for one place, and those that need places of their own."""
    first: dict[bool, str] = {}
    rest = []
    for variable, value in conditions:
        text = f" @{'include' if value else 'skip'}(if: ${variable})"
        if first.setdefault(value, text) != text:
            rest.append(text)
    return "".join(first.values()), rest


def wrapped(text: str, directives: Iterable[str]) -> str:
    """Fields within inline fragments, one for each directive."""
    for directive in directives:
        text = f"...{directive} {{ {text} }}"
    return text


def definition_text(node: VariableDefinitionNode) -> str:
    """The definition of a client's variable, without directives."""
    default = "" if node.default_value is None else f" = {printed(node.default_value)}"
    return f"${node.variable.name.value}: {printed_type(node.type)}{default}"


def document(head: str, definitions: Iterable[str], directives: str, fields: str) -> str:
    """The whole operation, of which these are texts; `head` is its kind and name."""
    variables = ", ".join(definitions)
    if variables:
        head += f"({variables})"
    if head == "query" and not directives:
        head = ""
    return f"{head}{directives} {{ {fields} }}".strip()
