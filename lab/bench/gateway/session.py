"""A command's options -> all measurements, as results and as the blocks of docs/performance.md."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.bench.gateway import page, report, run
from lab.bench.gateway.figures import Results
from lab.bench.gateway.gateways import OURS
from lab.bench.gateway.graphs import public
from lab.bench.gateway.workloads import workloads


@dataclass
class Made:
    """`blocks` are the page's, in its order; `whole` those of which everything was measured."""

    results: Results
    blocks: dict[str, list[str]] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)

    @property
    def failed(self) -> bool:
        """Ours gave an answer that it should not have given, or none."""
        return any(OURS in gateways and gateways[OURS].wrong for gateways in self.results.series.values())

    def written(self, *, write: bool | None, complete: bool) -> Iterator[str]:
        """Renews the page's blocks that may be renewed, and names them."""
        for block, lines in self.blocks.items():
            if write or (write is None and complete and block in self.whole):
                page.write(block, lines)
                yield block


def extent(*, quick: bool, rounds: int | None) -> run.Extent:
    """How much is measured."""
    made = run.SHORT if quick else run.FULL
    return made if rounds is None else replace(made, rounds=rounds, other_rounds=rounds)


def measure(names: Sequence[str], wanted: Sequence[str], how: run.Extent, scaling: bool, folder: Path) -> Made:
    """All of it; progress goes to standard error."""
    made = Made(run.run(names, run.by_name(wanted), how, folder))
    conditions = (
        f"{report.machine()}; {how.rounds} rounds of {how.seconds:g} s, 50 connections. {report.versions(list(names))}."
    )
    headline = list(report.headline(made.results))
    if headline:
        made.blocks["headline"] = [conditions, "", *headline]
        made.blocks["goals"] = list(report.goals(made.results))
        if set(public.QUERIES) <= set(wanted):
            made.whole |= {"headline", "goals"}
    others = [name for name in wanted if name not in public.QUERIES]
    if others:
        made.blocks["workloads"] = list(report.others(made.results))
        if len(others) == len(workloads()) - len(public.QUERIES):
            made.whole.add("workloads")
    if scaling:
        from lab.bench.gateway.scaling import tables

        made.blocks["scaling"] = list(tables(folder, how))
        made.whole.add("scaling")
    return made
