"""A seed and a number of kills -> what happens to whom, and after how many instances."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

#: What events travel on: a RabbitMQ node, or the memory of the one process that everything runs in.
Bus = Literal["rabbitmq", "memory"]
#: What is killed, and how often among a hundred kills.
KILLS: Final[Mapping[Bus, Mapping[str, int]]] = {
    "rabbitmq": {
        "relay": 17,
        "pool process": 14,
        "worker": 13,
        "run's process": 10,
        "dispatcher": 11,
        "gateway": 11,
        "instance subgraph": 6,
        "rabbitmq": 9,
        "postgres": 9,
    },
    "memory": {"platform": 30, "postgres": 20, "worker": 20, "pool process": 18, "run's process": 12},
}
#: What is disturbed beside, half as often as something is killed.
DISTURBANCES: Final[Mapping[Bus, Mapping[str, int]]] = {
    "rabbitmq": {
        "cut": 14,
        "freeze": 10,
        "freeze up": 8,
        "freeze down": 8,
        "delay": 10,
        "duplicate": 14,
        "deafen": 9,
        "stop": 9,
        "alarm": 10,
        "rolling restart": 8,
    },
    "memory": {"cut": 40, "freeze": 12, "delay": 12, "deafen": 12, "stop": 12, "rolling restart": 12},
}
_EVERY_KILL: Final = frozenset(kind for kinds in KILLS.values() for kind in kinds)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that happens, once so many instances are made; `draw` decides what the kind leaves open."""

    after: int
    kind: str
    draw: int

    @property
    def kills(self) -> bool:
        """True if it ends a process."""
        return self.kind in _EVERY_KILL


def schedule(runs: int, kills: int, seed: int, bus: Bus = "rabbitmq") -> list[Fault]:
    """Exactly `kills` kills, and half as many disturbances, spread at random over the run."""
    random_ = random.Random(seed)
    kinds = _share(KILLS[bus], kills) + _share(DISTURBANCES[bus], kills // 2)
    random_.shuffle(kinds)
    # Not at the very beginning: a quorum queue whose node is killed within seconds of its declaration is lost.
    first, last = min(5, runs), max(runs * 95 // 100, min(5, runs))
    moments = sorted(random_.randint(first, last) for _ in kinds)
    return [Fault(after, kind, random_.getrandbits(32)) for after, kind in zip(moments, kinds, strict=True)]


def _share(weights: Mapping[str, int], total: int) -> list[str]:
    """`total` kinds by weight; the largest remainders get what is left over."""
    whole = sum(weights.values())
    counts = {kind: total * weight // whole for kind, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda kind: (-(total * weights[kind] % whole), kind))
    for kind in by_remainder[: total - sum(counts.values())]:
        counts[kind] += 1
    return [kind for kind, count in counts.items() for _ in range(count)]
