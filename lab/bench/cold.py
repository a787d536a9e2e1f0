"""`lab bench cold`: new operations -> CPU time of preparing, planning and compiling one, and of the garbage left."""

import gc
import statistics
import time
from dataclasses import dataclass, field
from typing import Any, Final

from botberi_gateway.executor import Compiled
from botberi_gateway.operation import prepare
from botberi_gateway.planner import build_plan
from botberi_gateway.server import memory
from botberi_gateway.supergraph import Supergraph
from lab.bench.gateway.graphs.public import graph, query
from lab.bench.gateway.workloads import MARK, workloads

ROUNDS: Final = 300


@dataclass
class Times:
    """CPU milliseconds, one figure an operation; `collecting` and `all` are sums."""

    prepare: list[float] = field(default_factory=list)
    plan: list[float] = field(default_factory=list)
    compile: list[float] = field(default_factory=list)
    collecting: float = 0.0
    all: float = 0.0

    def row(self, name: str) -> str:
        """Medians of the three steps; for garbage and for all the mean."""
        steps = [statistics.median(one) for one in (self.prepare, self.plan, self.compile)]
        count = len(self.prepare)
        return f"| {name} | {' | '.join(f'{one:.2f}' for one in (*steps, self.collecting / count, self.all / count))} |"


class _Collector:
    """Clocks the garbage collector."""

    def __init__(self) -> None:
        self.milliseconds = 0.0
        self._begun = 0.0

    def __call__(self, phase: str, _: dict[str, Any]) -> None:
        if phase == "start":
            self._begun = time.thread_time()
        else:
            self.milliseconds += (time.thread_time() - self._begun) * 1000


def measure(supergraph: Supergraph, text: str) -> Times:
    """`text` is made new each time by a number in the place of `MARK`."""
    times, collector = Times(), _Collector()
    gc.callbacks.append(collector)
    begun = time.process_time()
    for number in range(ROUNDS):
        marks = [time.thread_time()]
        operation = prepare(supergraph.api_schema, text.replace(MARK, str(number)))
        marks.append(time.thread_time())
        plan = build_plan(supergraph, operation)
        marks.append(time.thread_time())
        Compiled(plan, operation)
        marks.append(time.thread_time())
        for step, one, other in zip((times.prepare, times.plan, times.compile), marks, marks[1:], strict=False):
            step.append((other - one) * 1000)
    times.all = (time.process_time() - begun) * 1000
    gc.callbacks.remove(collector)
    times.collecting = collector.milliseconds
    return times


def main() -> None:
    """CPU of an operation that was never seen: preparing, planning, compiling, and its garbage."""
    supergraph = Supergraph.from_sdl(graph().supergraph("http://127.0.0.1:1"))
    texts = {
        "cold": workloads()["cold"].operations[0].query,
        "large": f"# {MARK}\n{query('large')}",
        "small": f"# {MARK}\n{query('small')}",
    }
    for text in texts.values():
        Compiled(build_plan(supergraph, made := prepare(supergraph.api_schema, text.replace(MARK, "9999"))), made)
    memory.settle()
    print(
        "| CPU ms an operation | prepare | plan | compile | collecting garbage | all |\n|---|---:|---:|---:|---:|---:|"
    )
    for name, text in texts.items():
        print(measure(supergraph, text).row(name))


if __name__ == "__main__":
    main()
