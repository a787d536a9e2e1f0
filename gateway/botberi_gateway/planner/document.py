"""Selections of one fetch -> the text of a subgraph operation, with the renames that its types force."""

import re
from collections.abc import Iterable, Mapping, Sequence

from graphql import VariableDefinitionNode, print_ast

from botberi_gateway.plan import ListItems, Path, Rename
from botberi_gateway.planner.fetch_graph import Item, Selection
from botberi_gateway.planner.tree import Conditions, without_defers
from botberi_gateway.query_graph import QueryGraph

_BASE = re.compile(r"\w+")
ITEMS = ListItems()


class Printer:
    """Prints the selections of one fetch; collects the variables they use and the renames they need."""

    def __init__(self, graph: QueryGraph) -> None:
        self.graph = graph
        self.variables: dict[str, None] = {}
        self.renames: list[Rename] = []
        self._shapes: dict[tuple[str, ...], str] = {}

    def selection(
        self,
        selection: Selection,
        path: Path = (),
        keys: tuple[str, ...] = (),
        given: Conditions = (),
        *,
        mixed: bool = False,
    ) -> str:
        """`{ … }`. `given` are conditions that hold anyway; `mixed`: other selections answer under the same keys."""
        fields = self.fields((selection,), path, keys, given, mixed=mixed)
        return "{ " + fields + " }"

    def fields(
        self,
        selections: Sequence[Selection],
        path: Path = (),
        keys: tuple[str, ...] = (),
        given: Conditions = (),
        *,
        mixed: bool = False,
        framed: bool = False,
        beside: frozenset[str] = frozenset(),
    ) -> str:
        """The fields of selections that stand side by side; `framed`: each within a fragment on its own type (entities).

        `beside` are types of other objects at the same place, which these fields aren't for.
        """
        direct: list[str] = []
        fragments: dict[str, list[str]] = {}
        mixed = mixed or len(selections) > 1
        for selection in selections:
            static = selection.static
            abstract = static is None or static.is_abstract
            inner = mixed or abstract
            frames = self._frames(selection, beside) if framed else ()
            if selection.typename or not selection.items:
                self._put("__typename", frames, direct, fragments)
            for item in selection.items:
                if static is not None and (not abstract or self._whole(selection, item)):
                    text = self._item(selection, item, static.name, path, keys, given, inner)
                    self._put(text, frames, direct, fragments)
                else:
                    for name in self._narrowed(selection, item, beside):
                        text = self._item(selection, item, name, path, keys, given, inner)
                        self._put(text, (name,), direct, fragments)
        own = dict.fromkeys(direct)
        by_text: dict[str, list[str]] = {}
        for name, texts in fragments.items():
            # What is asked of every object isn't asked again of some.
            by_text.setdefault(" ".join(text for text in dict.fromkeys(texts) if text not in own), []).append(name)
        by_text.pop("", None)
        return " ".join([*own, *(f"... on {name} {{ {text} }}" for text, names in by_text.items() for name in names)])

    def _put(self, text: str, frames: Iterable[str], direct: list[str], fragments: dict[str, list[str]]) -> None:
        frames = tuple(frames)
        if not frames:
            direct.append(text)
        for name in frames:
            fragments.setdefault(name, []).append(text)

    def _frames(self, selection: Selection, beside: frozenset[str]) -> tuple[str, ...]:
        static = selection.static
        if static is None or (static.is_abstract and static.possible & beside):
            return tuple(sorted(selection.types))
        return (static.name,)

    def _whole(self, selection: Selection, item: Item) -> bool:
        """Whether the item is for everything the abstract selection can be, and is a field of that type."""
        static = selection.static
        if static is None or not item.types >= selection.types:
            return False
        return item.field.is_typename or item.field.name in static.fields

    def _narrowed(self, selection: Selection, item: Item, beside: frozenset[str]) -> tuple[str, ...]:
        """Types for fragments around the item: an interface where one fits exactly, else each concrete type."""
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

    def _item(
        self,
        selection: Selection,
        item: Item,
        type_name: str,
        path: Path,
        keys: tuple[str, ...],
        given: Conditions,
        mixed: bool,
    ) -> str:
        field = item.field
        key = self._free_key(selection, item, type_name, path, keys) if mixed else field.key
        text = field.name if key == field.name else f"{key}: {field.name}"
        text += field.arguments_text
        own = [condition for condition in without_defers(item.conditions) if condition not in given]
        self.variables.update(dict.fromkeys(variable for variable, _ in own))
        # A directive stands once at a field: what is left goes around it.
        on_field, around = split_conditions(own)
        text += on_field
        text += field.directives_text
        self.variables.update(dict.fromkeys(sorted(field.variables)))
        if item.child is not None:
            below = (*path, key, *[ITEMS] * field.list_depth)
            text += " " + self.selection(item.child, below, (*keys, key), mixed=mixed)
        return wrapped(text, (*around, *reversed(field.around)))

    def _free_key(self, selection: Selection, item: Item, type_name: str, path: Path, keys: tuple[str, ...]) -> str:
        """The field's response key, or another one where this key has another type already (GraphQL, 5.3.2 Field Selection Merging)."""
        if item.field.is_typename:
            return item.field.key
        own = self.graph.subgraph_type(selection.graph, type_name)
        facts = own.fields.get(item.field.name) if own is not None else None
        if facts is None:
            return item.field.key
        shape = _BASE.sub("{}", facts.shape) if item.child is not None else facts.shape
        candidate, number = item.field.key, 0
        while self._shapes.setdefault((*keys, candidate), shape) != shape:
            candidate, number = f"__r{number}_{item.field.key}", number + 1
        if candidate != item.field.key:
            rename = Rename(path, candidate, item.field.key)
            if rename not in self.renames:
                self.renames.append(rename)
        return candidate


def split_conditions(conditions: Iterable[tuple[str, bool]]) -> tuple[str, list[str]]:
    """Directives for one place, and those that need places of their own."""
    first: dict[bool, str] = {}
    rest = []
    for variable, wanted in conditions:
        text = f" @{'include' if wanted else 'skip'}(if: ${variable})"
        if first.setdefault(wanted, text) != text:
            rest.append(text)
    return "".join(first.values()), rest


def wrapped(text: str, directives: Iterable[str]) -> str:
    """Inline fragments around fields, one for each directive."""
    for directive in directives:
        text = f"...{directive} {{ {text} }}"
    return text


def document(
    kind: str,
    name: str | None,
    body: str,
    definitions: Iterable[VariableDefinitionNode],
    used: Iterable[str],
    own: Mapping[str, str] | None = None,
    directives: str = "",
) -> str:
    """The whole operation; `own` are variables that aren't the client's, with their types."""
    wanted = set(used)
    variables = [f"${name}: {type_name}" for name, type_name in (own or {}).items()]
    variables += [
        print_ast(
            VariableDefinitionNode(
                variable=node.variable, type=node.type, default_value=node.default_value, directives=()
            )
        )
        for node in definitions
        if node.variable.name.value in wanted
    ]
    head = kind if kind != "query" or name or variables or directives else ""
    if name:
        head += f" {name}"
    if variables:
        head += f"({', '.join(variables)})"
    head += directives
    return f"{head} {body}".strip()
