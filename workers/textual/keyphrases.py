"""The phrases of each text -> the key phrases of all, ranked."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ranked:
    """A phrase that stands on its own somewhere."""

    text: str
    strength: float
    count: int


def rank(documents: Sequence[Sequence[str]]) -> list[Ranked]:
    """C-value (Frantzi et al. 2000) times IDF.

    A phrase counts as often as it stands on its own rather than within a longer one, longer phrases count more, and
    words that every text has count less.
    """
    occurrences = Counter(phrase for candidates in documents for phrase in candidates)
    spread = Counter(phrase for candidates in documents for phrase in set(candidates))
    within: defaultdict[str, list[int]] = defaultdict(list)
    for phrase, count in occurrences.items():
        parts = phrase.split()
        pieces = {" ".join(parts[i:j]) for i in range(len(parts)) for j in range(i + 1, len(parts) + 1)}
        for piece in pieces - {phrase}:
            within[piece].append(count)

    def strength(phrase: str) -> float:
        longer = within.get(phrase, [])
        alone = occurrences[phrase] - (sum(longer) / len(longer) if longer else 0.0)
        rarity = math.log((1 + len(documents)) / (1 + spread[phrase])) + 1.0
        return math.log2(1 + len(phrase.split())) * alone * rarity

    ranked = [Ranked(phrase, strength(phrase), count) for phrase, count in occurrences.items()]
    return sorted(
        (phrase for phrase in ranked if phrase.strength > 0), key=lambda phrase: (-phrase.strength, phrase.text)
    )


def without_parts(ranked: Sequence[str], count: int) -> list[str]:
    """The first phrases of which none holds another."""
    chosen: list[str] = []
    for phrase in ranked:
        if len(chosen) < count and not any(_covers(phrase, taken) for taken in chosen):
            chosen.append(phrase)
    return chosen


def _covers(phrase: str, taken: str) -> bool:
    """Two phrases of which one holds the other tell one thing."""
    return f" {phrase} " in f" {taken} " or f" {taken} " in f" {phrase} "
