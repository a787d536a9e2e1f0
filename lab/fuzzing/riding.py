"""An answer and the monolith's, both with `@defer` -> the differences, if all come of errors of undeferred values.

What is deferred of a value without a key can't be asked for apart. Its error may null the value, and what stands around
it, in the subgraph's answer; no fragment is then announced there. A server may choose not to defer a fragment, and that
is the answer of one which chose so just there.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations
from typing import Any, TypeAlias

from lab.fuzzing.world import World

Path: TypeAlias = tuple[str | int, ...]

#: More of them in one operation are taken together.
FEW = 4


@dataclass
class Ridden:
    """Places where the answer lacks parts of the monolith's: nulls, and keys of a fragment that failed as well."""

    nulls: set[Path] = field(default_factory=set)
    absent: set[Path] = field(default_factory=set)

    def covers(self, place: Path) -> bool:
        """True if the place is one of them, or below."""
        return any(place[: len(lost)] == lost for lost in chain(self.nulls, self.absent))


def choices(count: int) -> list[frozenset[int]]:
    """Which of so many `@defer`s may be ignored."""
    if count > FEW:
        return [frozenset(range(count))]
    return [frozenset(some) for size in range(count) for some in combinations(range(count), size + 1)]


def has_key(world: World, type_name: str) -> bool:
    """True if any subgraph lets objects of the type be asked for again."""
    return any(
        key.resolvable
        for facts in world.subgraphs.values()
        for name in world.names_of(type_name)
        if name in facts.types
        for key in facts.types[name].keys
    )


def ridden(got: Any, truth: Any, others: Sequence[Any], places: Iterable[Path]) -> Ridden | None:
    """How `got` differs from `truth`, None where that can't be by riding.

    `others` are the truths in which some fragments aren't deferred: what is lost has to be lost in one of them as well.
    `places` are those of failed fragments without a key: one of them has to be there, or below.
    """
    found = Ridden()
    walk = _Walk(found, tuple(places))
    return found if walk.agrees(got, truth, others, ()) else None


@dataclass
class _Walk:
    found: Ridden
    places: tuple[Path, ...]

    def agrees(self, got: Any, truth: Any, others: Sequence[Any], path: Path) -> bool:
        if _text(got) == _text(truth):
            return True
        if got is None:
            self.found.nulls.add(path)
            return self._rode(path) and None in others
        if isinstance(got, dict) and isinstance(truth, dict):
            below = [other for other in others if isinstance(other, dict)]
            lost = [key for key in truth if key not in got]
            self.found.absent.update((*path, key) for key in lost)
            return (
                set(got) <= set(truth)
                and all(None in others or any(key not in other for other in below) for key in lost)
                and (not lost or self._rode(path))
                and all(
                    self.agrees(got[key], truth[key], _under(others, [o[key] for o in below if key in o]), (*path, key))
                    for key in got
                )
            )
        if isinstance(got, list) and isinstance(truth, list) and len(got) == len(truth):
            lists = [other for other in others if isinstance(other, list) and len(other) == len(got)]
            return all(
                self.agrees(one, truth[index], _under(others, [o[index] for o in lists]), (*path, index))
                for index, one in enumerate(got)
            )
        return False

    def _rode(self, path: Path) -> bool:
        return any(place[: len(path)] == path for place in self.places)


def _under(others: Sequence[Any], below: list[Any]) -> list[Any]:
    """A path with all below a null being null."""
    return [*below, None] if None in others else below


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
