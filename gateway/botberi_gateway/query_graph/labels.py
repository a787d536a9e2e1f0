"""Labels of progressive overrides: which ones a supergraph has, and which are active."""

from collections.abc import Callable
from typing import TypeAlias

from botberi_gateway.supergraph import Supergraph

#: A label -> whether it is active: if so, the field comes from the subgraph that has `@override`.
Labels: TypeAlias = Callable[[str], bool]


def percentage(label: str) -> float | None:
    """The N of `percent(N)`; None for any other label."""
    if label.startswith("percent(") and label.endswith(")"):
        try:
            return float(label[8:-1])
        except ValueError:
            return None
    return None


def default_labels(label: str) -> bool:
    """Whether the label is always active: `percent(N)` is from 100 on, any other label isn't."""
    return (percentage(label) or 0) >= 100


def active_labels(active: frozenset[str]) -> Labels:
    """These labels are active, and those that always are."""
    return lambda label: label in active or default_labels(label)


def open_labels(supergraph: Supergraph) -> frozenset[str]:
    """The labels that are decided for each request: all but those that are always on, or always off."""
    labels = {
        join.override_label
        for type_ in supergraph.types.values()
        for field in type_.fields.values()
        for join in field.joins
        if join.override_label
    }
    return frozenset(label for label in labels if (share := percentage(label)) is None or 0 < share < 100)
