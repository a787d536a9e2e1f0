"""Progressive overrides: which labels a supergraph has, and what decides them."""

from collections.abc import Callable
from typing import TypeAlias

from botberi_gateway.supergraph import Supergraph

#: Decides a progressive override's label: True hands the field to the subgraph that has `@override`.
Labels: TypeAlias = Callable[[str], bool]


def percentage(label: str) -> float | None:
    """N of `percent(N)`, None for any other label."""
    if label.startswith("percent(") and label.endswith(")"):
        try:
            return float(label[8:-1])
        except ValueError:
            return None
    return None


def default_labels(label: str) -> bool:
    """`percent(N)` only where N is all; any other label is off until somebody decides it."""
    return (percentage(label) or 0) >= 100


def active_labels(active: frozenset[str]) -> Labels:
    """These are on, beside those that always are."""
    return lambda label: label in active or default_labels(label)


def open_labels(supergraph: Supergraph) -> frozenset[str]:
    """The labels that each request decides anew: all but those that are always on, or always off."""
    found = {
        join.override_label
        for type_ in supergraph.types.values()
        for field in type_.fields.values()
        for join in field.joins
        if join.override_label
    }
    return frozenset(label for label in found if (share := percentage(label)) is None or 0 < share < 100)
