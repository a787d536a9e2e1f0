"""Access requirements in several subgraphs -> the one that holds for all of them."""

from collections.abc import Iterable, Sequence
from itertools import product

from botberi_gateway.composition.problem import LimitExceeded

#: A requirement with more alternatives than this is an attack, not a policy.
MAX_ALTERNATIVES = 10_000

Requirement = Sequence[Sequence[str]]


def conjunction(requirements: Iterable[Requirement]) -> list[list[str]]:
    """Alternatives (any) of scopes (all): every combination, without those that ask for more than another does."""
    alternatives: set[frozenset[str]] = {frozenset()}
    for requirement in requirements:
        options = {frozenset(option) for option in requirement}
        combined = {left | right for left, right in product(alternatives, options)}
        alternatives = minimal(combined)
        if len(alternatives) > MAX_ALTERNATIVES:
            raise LimitExceeded("the access requirements of one element have too many combinations")
    return sorted((sorted(option) for option in alternatives), key=lambda option: (len(option), option))


def minimal(options: set[frozenset[str]]) -> set[frozenset[str]]:
    """Drop each option that another one is part of."""
    return {option for option in options if not any(other < option for other in options)}


def implies(stronger: Requirement, weaker: Requirement) -> bool:
    """Whether a caller that fulfils `stronger` always fulfils `weaker` as well."""
    return all(any(set(need) <= set(option) for need in weaker) for option in stronger)
