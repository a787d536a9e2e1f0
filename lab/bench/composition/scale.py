"""The large graphs of ../shared/conformance/scale -> time and peak memory of ours and the peers, a process for each."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.bench.composition.composers import PACKAGES, PEERS, SCRIPT
from lab.bench.peers import CACHE, ROOT, PeerProcess, installed

SCALE = ROOT.parent / "shared" / "conformance" / "scale"
#: Seconds that ours may take (issue "Composition", "Speed").
GOALS = {"s010": 1.0, "s050": 3.0, "s100": 10.0, "s200": 10.0}
#: The peers' time is cut there.
TIMEOUT = 420.0
#: Some of these graphs overflow node's default stack, or its default heap.
NODE_OPTIONS = ("--stack-size=3900", "--max-old-space-size=6144")
_NOT_ARGUMENTS = ("out", "types_defined", "type_definitions", "fields", "bytes")


class ScaleMissing(Exception):
    """The folder with the parameters isn't there."""


@dataclass(frozen=True)
class Run:
    """One composer on one graph; `note` says why there is no time."""

    seconds: float | None
    cpu: float | None
    megabytes: float | None
    note: str = ""
    #: CPU seconds of composing again with one subgraph changed; ours alone can.
    again: float | None = None

    def summary(self) -> str:
        return self.note or f"{self.seconds:.1f} s ({self.cpu:.1f}), {self.megabytes:.0f} MB"


def subgraphs(name: str) -> Path:
    """The file with the graph's SDLs; generated from its parameters the first time."""
    if not SCALE.is_dir():
        raise ScaleMissing(f"{SCALE} isn't here: it holds the parameters of the large graphs.")
    target = CACHE / "scale" / name
    if not (target / "subgraphs.json").exists():
        parameters: dict[str, Any] = json.loads((SCALE / name / "case.json").read_text())["params"]
        arguments = [
            word
            for key, value in parameters.items()
            if key not in _NOT_ARGUMENTS
            for word in (f"--{key.replace('_', '-')}", str(value))
        ]
        command = [sys.executable, str(SCALE / "gen_scale.py"), *arguments, "--out", str(target)]
        subprocess.run(command, check=True, timeout=120)
    return target / "subgraphs.json"


def ours(name: str) -> Run:
    """Composition and SDL, in a fresh interpreter; its import isn't counted, as the peers' isn't."""
    command = [sys.executable, "-m", "lab.bench.composition.once", str(subgraphs(name))]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=TIMEOUT)
    answer = json.loads(done.stdout)
    if not answer["ok"]:
        return Run(None, None, None, "errors")
    return Run(answer["seconds"], answer["cpu"], answer["megabytes"], again=answer["again_cpu"])


def peer(composer: str, name: str, timeout: float = TIMEOUT) -> Run:
    """One peer, in a fresh node process."""
    question = {"composer": composer, "subgraphs": json.loads(subgraphs(name).read_text())}
    with PeerProcess(SCRIPT, installed(PACKAGES), options=NODE_OPTIONS) as process:
        try:
            answer = process.ask(question, timeout)
        except TimeoutError:
            return Run(None, None, None, f"over {timeout:.0f} s")
        except ConnectionError:
            return Run(None, None, None, "out of memory")
    if "crash" in answer or not answer["ok"]:
        return Run(None, None, None, answer.get("crash", "errors")[:60])
    return Run(answer["seconds"], answer["cpu"], answer["peakMegabytes"])


def table(names: list[str], peers: bool, timeout: float = TIMEOUT) -> Iterator[str]:
    """Markdown rows, as they come: seconds (of CPU), peak memory; ratios are of CPU time, theirs to ours.

    "again" is CPU time for composing again with one subgraph changed.
    """
    yield "| graph | ours | again | goal |" + "".join(f" {p} | ratio |" for p in PEERS if peers)
    yield "|---|---|---|---|" + "---|---|" * (len(PEERS) if peers else 0)
    for name in names:
        mine = ours(name)
        again = f"{mine.again:.1f} s" if mine.again is not None else "-"
        row = f"| {name} | {mine.summary()} | {again} | {GOALS[name]:.0f} s |"
        for other in PEERS if peers else ():
            theirs = peer(other, name, timeout)
            ratio = f"{theirs.cpu / mine.cpu:.1f}" if theirs.cpu and mine.cpu else "-"
            row += f" {theirs.summary()} | {ratio} |"
        yield row
