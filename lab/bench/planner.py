"""Operations of the planner corpus -> a table: CPU of each plan by our planner and by Apollo's, turn by turn.

`lab bench planner [--rounds N] [--json]`. Only operations that both answer are compared. Neither keeps a plan: each is
made again in each round.
"""

import json
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from botberi_gateway.errors import GatewayError
from botberi_gateway.operation import prepare
from botberi_gateway.operation.limits import UNLIMITED
from botberi_gateway.operation.prepare import STRUCTURE
from botberi_gateway.planner import build_plan
from botberi_gateway.supergraph import Supergraph
from lab.bench.gateway.gateways import APOLLO
from lab.bench.peers import ROOT, PeerProcess, installed

CORPUS: Final = ROOT.parent / "shared" / "conformance" / "planner"
SCRIPT: Final = Path(__file__).with_suffix(".mjs")
#: CPU milliseconds for one plan that are good enough, if the peer needs less: median, and of 95 in 100.
GOALS: Final = {"p50": 1.2, "p95": 30.0}
#: Seconds for one plan of the peer; one operation takes it more than a minute.
TIMEOUT: Final = 20.0


class CorpusMissing(Exception):
    """The folder with the operations isn't there."""


@dataclass
class Times:
    """CPU milliseconds by operation, a figure for each round; infinite where the time was cut."""

    rounds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refused: dict[str, str] = field(default_factory=dict)


class Apollo:
    """The peer's process; begun again when it took too long, without the operation that did that."""

    def __init__(self) -> None:
        self.times = Times()
        self._folder = installed(APOLLO)
        self._begin()

    def _begin(self) -> None:
        self._process = PeerProcess(SCRIPT, self._folder)
        self._sent: set[str] = set()

    def plan(self, name: str, supergraph: str, query: str) -> None:
        if name in self.times.refused or math.inf in self.times.rounds[name]:
            return
        asked = {"supergraph": supergraph, "query": query}
        if supergraph not in self._sent:
            asked["sdl"] = (CORPUS / "supergraphs" / supergraph).read_text()
            self._sent.add(supergraph)
        try:
            answer = self._process.ask(asked, TIMEOUT)
        except TimeoutError:
            self.times.rounds[name].append(math.inf)
            self._begin()
            return
        if "error" in answer:
            self.times.refused[name] = answer["error"]
        else:
            self.times.rounds[name].append(answer["cpu"])

    def close(self) -> None:
        self._process.close()


class Ours:
    """Our planner in this process."""

    def __init__(self) -> None:
        self.times = Times()
        self._graphs: dict[str, Supergraph] = {}

    def plan(self, name: str, supergraph: str, query: str) -> None:
        graph = self._graphs.get(supergraph)
        if graph is None:
            graph = self._graphs[supergraph] = Supergraph.from_sdl((CORPUS / "supergraphs" / supergraph).read_text())
        try:
            operation = prepare(graph.api_schema, query, None, UNLIMITED, STRUCTURE)
            begun = time.process_time()
            build_plan(graph, operation)
        except GatewayError as error:
            self.times.refused[name] = str(error)
        else:
            self.times.rounds[name].append((time.process_time() - begun) * 1000)


def summary(times: Times, names: Sequence[str]) -> dict[str, float]:
    """Figures of the first round (the first plan for each operation), and of operations' medians over all rounds."""
    first = sorted(times.rounds[name][0] for name in names)
    later = sorted(statistics.median(times.rounds[name]) for name in names)
    found: dict[str, float] = {}
    for label, values in (("first ", first), ("", later)):
        found |= {f"{label}p50": _share(values, 0.5), f"{label}p95": _share(values, 0.95), f"{label}max": values[-1]}
    return found


def _share(values: Sequence[float], share: float) -> float:
    return values[min(int(len(values) * share), len(values) - 1)]


def met(ours: Mapping[str, float], theirs: Mapping[str, float]) -> dict[str, bool]:
    """By figure: under the goal, or not slower than the peer."""
    return {name: ours[name] <= max(goal, theirs[name]) for name, goal in GOALS.items()}


def planner(
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """CPU of cold planning on ../shared/conformance/planner, beside Apollo's planner."""
    if not CORPUS.is_dir():
        raise CorpusMissing(f"{CORPUS} isn't here: it holds the operations.")
    cases = [json.loads(path.read_text()) for path in sorted((CORPUS / "cases").glob("*.json"))]
    ours, apollo = Ours(), Apollo()
    try:
        for _ in range(rounds):
            for case in cases:
                for one in (ours, apollo):
                    one.plan(case["id"], case["supergraph"], case["query"])
    finally:
        apollo.close()
    names = [case["id"] for case in cases if not {case["id"]} & {*ours.times.refused, *apollo.times.refused}]
    figures = {"Botberi": summary(ours.times, names), "Apollo (JavaScript)": summary(apollo.times, names)}
    goals = met(*figures.values())
    if as_json:
        written: dict[str, Any] = {"operations": len(names), "rounds": rounds, "cpu_ms": figures, "met": goals}
        # JSON has no infinity.
        typer.echo(json.dumps(written).replace("Infinity", "null"))
    else:
        typer.echo(f"{len(names)} operations of {len(cases)}, {rounds} rounds; CPU ms a plan\n")
        columns = list(figures["Botberi"])
        typer.echo(f"| planner | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
        for name, row in figures.items():
            shown = (f"over {TIMEOUT:.0f} s" if value == math.inf else f"{value:.2f}" for value in row.values())
            typer.echo(f"| {name} | {' | '.join(shown)} |")
        for name, fine in goals.items():
            typer.echo(f"- {'met' if fine else '**not met**'}: {name} at most {GOALS[name]} ms, or the peer's")
    raise typer.Exit(0 if all(goals.values()) else 1)
