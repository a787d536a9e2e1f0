"""Our plans beside two other planners' on their own test operations.

`python -m gateway.tests.planner.conformance` prints the table. Rule (../shared/conformance/README.md): not more fetches
and not more sequential steps than the better of the two.
"""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from botberi_gateway.errors import GatewayError
from botberi_gateway.operation import prepare
from botberi_gateway.operation.limits import UNLIMITED
from botberi_gateway.operation.prepare import STRUCTURE
from botberi_gateway.planner import build_plan
from botberi_gateway.supergraph import Supergraph
from gateway.tests.support.shared import SHARED

FOLDER = SHARED / "planner"
BASELINE = Path(__file__).with_name("baseline.txt")


@cache
def supergraph(name: str) -> Supergraph:
    """One of the corpus."""
    return Supergraph.from_sdl((FOLDER / "supergraphs" / name).read_text())


@dataclass(frozen=True)
class Verdict:
    """`kind`: pass, deeper, more fetches, error, or no peer (neither of the two answers)."""

    id: str
    source: str
    kind: str
    ours: tuple[int, int] | None
    theirs: tuple[int | None, int | None]
    milliseconds: float
    error: str = ""

    @property
    def passed(self) -> bool:
        return self.kind in ("pass", "no peer")


def case_ids() -> list[str]:
    """Names of all cases."""
    return sorted(path.stem for path in (FOLDER / "cases").glob("*.json"))


def load(case_id: str) -> dict[str, Any]:
    """A case as it stands."""
    found: dict[str, Any] = json.loads((FOLDER / "cases" / f"{case_id}.json").read_text())
    return found


def judge(case_id: str) -> Verdict:
    """Plan one case and compare."""
    case = load(case_id)
    # A plan without a fetch answers nothing (the audit wants an error for that case).
    peers = [case[name] for name in ("apollo", "hive") if case[name].get("ok") and case[name]["fetches"]]
    fetches = min((peer["fetches"] for peer in peers), default=None)
    depth = min((peer["depth"] for peer in peers), default=None)
    graph = supergraph(case["supergraph"])
    took = 0.0
    try:
        operation = prepare(graph.api_schema, case["query"], None, UNLIMITED, STRUCTURE)
        started = time.process_time()
        plan = build_plan(graph, operation)
        took = (time.process_time() - started) * 1000
    except GatewayError as error:
        kind = "error" if peers else "no peer"
        return Verdict(case_id, case["source"], kind, None, (fetches, depth), took, f"{type(error).__name__}: {error}")
    kind = "pass"
    if not peers:
        kind = "no peer"
    elif depth is not None and plan.depth > depth:
        kind = "deeper"
    elif fetches is not None and plan.fetch_count > fetches:
        kind = "more fetches"
    return Verdict(case_id, case["source"], kind, (plan.fetch_count, plan.depth), (fetches, depth), took)


def verdicts() -> Iterator[Verdict]:
    """All cases."""
    for case_id in case_ids():
        yield judge(case_id)


def main() -> None:
    """Print the table; with `--update`, rewrite the baseline of passing cases."""
    found = list(verdicts())
    kinds: dict[str, int] = {}
    for one in found:
        kinds[one.kind] = kinds.get(one.kind, 0) + 1
        if not one.passed:
            print(f"{one.id}  {one.kind:12}  ours {one.ours}  best {one.theirs}  {one.source}  {one.error}")
    times = sorted(one.milliseconds for one in found)
    print(f"{len(found)} cases:", ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())))
    print(
        f"planning, first time each: p50 {times[len(times) // 2]:.2f} ms, p95 {times[int(len(times) * 0.95)]:.1f} ms, max {times[-1]:.1f} ms"
    )
    if "--update" in sys.argv:
        BASELINE.write_text("".join(f"{one.id}\n" for one in found if one.passed))


if __name__ == "__main__":
    main()
