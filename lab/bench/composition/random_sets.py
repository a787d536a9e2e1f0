"""Random subgraph sets -> how often ours and the peers say the same, and where they differ."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from botberi_gateway.composition import Subgraph
from lab.bench.composition.breakages import broken
from lab.bench.composition.composers import PEERS, Peers, Verdict, compare, ours
from lab.bench.composition.generate import generate

#: Of so many sets, this many are left whole.
WHOLE = 0.3


@dataclass
class Outcome:
    """One set, judged by everyone. `differences` are ours against the expected verdict's."""

    seed: int
    way: str
    ours: Verdict
    peers: dict[str, Verdict]
    differences: list[str] = field(default_factory=list)

    @property
    def reference(self) -> Verdict | None:
        """The first peer's verdict; None where it crashed, which says nothing."""
        verdict = self.peers[PEERS[0]]
        return verdict if verdict.crash is None else None

    @property
    def second(self) -> Verdict | None:
        """The other peer's, where the first crashed."""
        verdict = self.peers[PEERS[1]]
        return verdict if self.reference is None and verdict.crash is None else None

    @property
    def peers_agree(self) -> bool:
        first, second = (self.peers[name] for name in PEERS)
        return first.crash is None and second.crash is None and first.codes == second.codes


def random_set(seed: int, way: str | None = None) -> tuple[str, list[Subgraph]]:
    """How it is broken ("whole" where it isn't; `way` if given and possible), and the subgraphs."""
    services = generate(seed)
    if way is not None:
        way = way if broken(seed, services, (way,)) else "whole"
    else:
        way = "whole" if seed % 10 < WHOLE * 10 else broken(seed, services) or "whole"
    return way, [s.subgraph() for s in services]


def judge(seed: int, peers: Peers, way: str | None = None) -> Outcome:
    """Compose one set with everyone."""
    way, subgraphs = random_set(seed, way)
    outcome = Outcome(seed, way, ours(subgraphs), {name: peers.compose(name, subgraphs) for name in PEERS})
    reference = outcome.reference
    if reference is not None:
        outcome.differences = compare(reference, outcome.ours)
    return outcome


def outcomes(seed: int, count: int, way: str | None = None) -> Iterator[Outcome]:
    """`count` sets, from seed to seed + count."""
    with Peers() as peers:
        for one in range(seed, seed + count):
            yield judge(one, peers, way)


@dataclass
class Table:
    """Counts over many outcomes."""

    sets: int = 0
    silent: int = 0
    only_second: int = 0
    agree_with_second: int = 0
    agree: int = 0
    both_agree: int = 0
    agree_with_both: int = 0
    successes: int = 0
    ways: Counter[str] = field(default_factory=Counter)
    by_code: Counter[str] = field(default_factory=Counter)
    differ_by_code: Counter[str] = field(default_factory=Counter)
    differing: list[Outcome] = field(default_factory=list)
    crashes: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """Count it."""
        self.sets += 1
        self.ways[outcome.way] += 1
        for name, verdict in outcome.peers.items():
            self.crashes[name] += verdict.crash is not None
        reference = outcome.reference
        if reference is None:
            self.silent += 1
            second = outcome.second
            if second is not None:
                self.only_second += 1
                self.agree_with_second += second.codes == outcome.ours.codes
            return
        good = not outcome.differences
        self.agree += good
        self.successes += not reference.codes
        if outcome.peers_agree:
            self.both_agree += 1
            self.agree_with_both += outcome.ours.codes == reference.codes
        for code in reference.codes or {"ok"}:
            self.by_code[code] += 1
            self.differ_by_code[code] += not good
        if not good:
            self.differing.append(outcome)

    @property
    def share(self) -> float:
        judged = self.sets - self.silent
        return self.agree / judged if judged else 0.0

    def lines(self) -> Iterator[str]:
        """The table, for people."""
        judged = self.sets - self.silent
        yield f"{'expected':<58}{'sets':>6}{'agree':>7}{'differ':>7}"
        for code in sorted(self.by_code, key=lambda c: (-self.differ_by_code[c], c)):
            total, differ = self.by_code[code], self.differ_by_code[code]
            yield f"{code:<58}{total:>6}{total - differ:>7}{differ:>7}"
        yield f"{'all sets':<58}{judged:>6}{self.agree:>7}{judged - self.agree:>7}"
        yield ""
        yield f"agreement with the reference (codes, and supergraphs by meaning): {self.share:.2%}"
        if self.both_agree:
            share = self.agree_with_both / self.both_agree
            yield f"verdicts where the two peers agree ({self.both_agree} sets): {share:.2%} are ours too"
            yield f"the two peers agree with each other on {self.both_agree / judged:.2%}"
        if self.only_second:
            yield (
                f"the reference crashed, the other peer didn't: {self.only_second} sets, "
                f"{self.agree_with_second} as we say"
            )
        yield f"crashes: {', '.join(f'{name} {self.crashes[name]}' for name in PEERS)}; ways used: {len(self.ways)}"
