"""A seed and a number of kills -> what happens to whom, and after how many instances."""

import random
from dataclasses import dataclass
from typing import Final

#: What is killed, and how often among a hundred kills.
KILLS: Final = {
    "relay": 17,
    "pool process": 14,
    "worker": 13,
    "run's process": 10,
    "dispatcher": 11,
    "gateway": 11,
    "instance subgraph": 6,
    "rabbitmq": 9,
    "postgres": 9,
}
#: What is disturbed beside, half as often as something is killed.
DISTURBANCES: Final = {
    "cut": 20,
    "freeze": 12,
    "freeze up": 8,
    "freeze down": 8,
    "delay": 12,
    "duplicate": 20,
    "deafen": 10,
    "stop": 10,
}


@dataclass(frozen=True, slots=True)
class Blow:
    """One thing that happens, once so many instances are made; `draw` decides what the kind leaves open."""

    after: int
    kind: str
    draw: int

    @property
    def kills(self) -> bool:
        """Whether it ends a process."""
        return self.kind in KILLS


def schedule(runs: int, kills: int, seed: int) -> list[Blow]:
    """Exactly `kills` kills, and half as many disturbances, spread at random over the run."""
    random_ = random.Random(seed)
    kinds = _share(KILLS, kills) + _share(DISTURBANCES, kills // 2)
    random_.shuffle(kinds)
    # Not at the very beginning: a quorum queue whose node is killed within seconds of its declaration is lost.
    first, last = min(5, runs), max(runs * 95 // 100, min(5, runs))
    moments = sorted(random_.randint(first, last) for _ in kinds)
    return [Blow(after, kind, random_.getrandbits(32)) for after, kind in zip(moments, kinds, strict=True)]


def _share(weights: dict[str, int], total: int) -> list[str]:
    """`total` kinds by weight; the largest remainders get what is left over."""
    whole = sum(weights.values())
    counts = {kind: total * weight // whole for kind, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda kind: (-(total * weights[kind] % whole), kind))
    for kind in by_remainder[: total - sum(counts.values())]:
        counts[kind] += 1
    return [kind for kind, count in counts.items() for _ in range(count)]
