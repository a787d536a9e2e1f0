"""A list in a program -> the source that takes its items' fields from the operation's budget before they are made."""

from collections.abc import Iterable, Mapping

from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, InlineFragmentNode, SelectionSetNode

from botberi_gateway.executor.compiled.source import Source
from botberi_gateway.executor.selection import Selections


def count_items(source: Source, items: str, fields: int = 0) -> None:
    """Writes it for the list in the variable `items`, each with so many fields; `spending` is the execution's.

    A list counts at each place: what is walked, or made, once for each place multiplies through entities that many
    places show.
    """
    source.line(f"spending.fields -= {f'{1 + fields} * ' if fields else ''}len({items})")
    with source.block("if spending.fields < 0:"):
        source.line("spending.no_fields()")


def count_fields(sets: Iterable[SelectionSetNode], selections: Selections) -> int:
    """All fields below an item, fragments expanded, whatever types they are for.

    Those of lists in it count once, as such lists count themselves.
    """
    return sum(_count(one, selections.operation.fragments, {}) for one in sets)


def _count(selected: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode], known: dict[str, int]) -> int:
    count = 0
    for node in selected.selections:
        if isinstance(node, FragmentSpreadNode):
            name = node.name.value
            if name not in known:
                known[name] = 0
                if name in fragments:
                    known[name] = _count(fragments[name].selection_set, fragments, known)
            count += known[name]
        elif isinstance(node, FieldNode | InlineFragmentNode):
            count += isinstance(node, FieldNode)
            if node.selection_set is not None:
                count += _count(node.selection_set, fragments, known)
    return count
