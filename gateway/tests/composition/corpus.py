"""The composition corpus -> a verdict for each case, and a table.

`python gateway/tests/composition/corpus.py [--write] [id …]`
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from botberi_gateway.composition import Subgraph, compose
from botberi_gateway.supergraph import Supergraph, read_supergraph
from botberi_gateway.supergraph.compare import differences

ROOT = Path(__file__).resolve().parents[3]
CONFORMANCE = ROOT.parent / "shared" / "conformance"
CASES = CONFORMANCE / "composition" / "cases"
SUITES = CONFORMANCE / "federation"
#: Ids of the cases that agreed when the file was written last: none of them may differ again.
BASELINE = Path(__file__).parent / "corpus_baseline.txt"


@dataclass(frozen=True)
class Verdict:
    """One case: what was expected, what we say, and how they differ (empty: they agree)."""

    id: str
    expected: frozenset[str]
    codes: frozenset[str]
    differences: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        return not self.differences


def judged(case: dict[str, Any]) -> dict[str, Any] | None:
    """The reference's verdict, the other composer's where it crashed, None where both did."""
    for name in ("apollo", "guild"):
        codes = {e["code"] for e in case[name]["errors"]}
        if not case[name].get("crashed") and not codes & {"CRASH", "UNKNOWN"}:
            verdict: dict[str, Any] = case[name]
            return verdict
    return None


def judge(case: dict[str, Any]) -> Verdict | None:
    """None for a case that says nothing."""
    expected = judged(case)
    if expected is None:
        return None
    composition = compose([Subgraph(s["name"], s["sdl"], s.get("url")) for s in case["subgraphs"]])
    wanted = frozenset(e["code"] for e in expected["errors"])
    codes = frozenset(e.code for e in composition.errors)
    found: list[str] = []
    if wanted != codes:
        found.append(f"codes: expected {sorted(wanted) or 'ok'}, got {sorted(codes) or 'ok'}")
    elif composition.supergraph is not None:
        found = differences(_with_one_of(read_supergraph(expected["supergraph"]), case), composition.supergraph)
    return Verdict(case["id"], wanted, codes, tuple(found))


def _with_one_of(supergraph: Supergraph, case: dict[str, Any]) -> Supergraph:
    """The reference's supergraph, with `@oneOf` as the other composer has it.

    The reference leaves GraphQL's own `@oneOf` out of its supergraphs, without which nothing enforces it.
    """
    if "@oneOf" not in "".join(s["sdl"] for s in case["subgraphs"]) or not case["guild"].get("supergraph"):
        return supergraph
    other = read_supergraph(case["guild"]["supergraph"])
    types = dict(supergraph.types)
    for type_ in other.types.values():
        marks = tuple(d for d in type_.directives if d.name.value == "oneOf")
        if marks and type_.name in types:
            types[type_.name] = replace(types[type_.name], directives=(*types[type_.name].directives, *marks))
    return replace(supergraph, types=types)


def cases() -> Iterator[dict[str, Any]]:
    for path in sorted(CASES.glob("*.json")):
        yield json.loads(path.read_text())


def baseline() -> frozenset[str]:
    return frozenset(BASELINE.read_text().split()) if BASELINE.exists() else frozenset()


def table(verdicts: list[Verdict]) -> str:
    """Cases, agree, differ; by the code that was expected."""
    total, agree = Counter[str](), Counter[str]()
    for verdict in verdicts:
        for code in verdict.expected or {"ok"}:
            total[code] += 1
            agree[code] += verdict.agrees
    lines = [f"{'expected':<58}{'cases':>6}{'agree':>7}{'differ':>7}"]
    for code in sorted(total, key=lambda c: (agree[c] - total[c], c)):
        lines.append(f"{code:<58}{total[code]:>6}{agree[code]:>7}{total[code] - agree[code]:>7}")
    good = sum(v.agrees for v in verdicts)
    lines.append(f"{'all cases':<58}{len(verdicts):>6}{good:>7}{len(verdicts) - good:>7}")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    wanted = {a for a in arguments if not a.startswith("-")}
    verdicts = [v for c in cases() if not wanted or c["id"] in wanted if (v := judge(c)) is not None]
    for verdict in verdicts:
        if not verdict.agrees:
            print(verdict.id, *verdict.differences[:6], sep="\n    ")
    print(table(verdicts))
    if "--write" in arguments and not wanted:
        BASELINE.write_text("\n".join(sorted(v.id for v in verdicts if v.agrees)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
