"""The corpus and the suites of two independent composers, judged by `botberi_gateway.supergraph.compare`.

`corpus.py` prints the table.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from botberi_gateway.composition import Subgraph, compose
from botberi_gateway.supergraph import read_supergraph
from botberi_gateway.supergraph.compare import differences
from gateway.tests.composition import corpus
from gateway.tests.support.shared import needs

pytestmark = needs(corpus.CASES, "1,030 sets of subgraphs with the verdicts of two composers, and 30 supergraphs")


@pytest.mark.timeout(900)  # a thousand compositions, on a machine that may be busy
def test_no_case_that_agreed_differs_now(capsys: pytest.CaptureFixture[str]) -> None:
    verdicts = [v for case in corpus.cases() if (v := corpus.judge(case)) is not None]
    with capsys.disabled():
        print("\n" + corpus.table(verdicts).splitlines()[-1])
    agreeing = {v.id for v in verdicts if v.agrees}
    known = corpus.baseline() & {v.id for v in verdicts}
    assert known, "the baseline names none of these cases: run corpus.py --write"
    lost = {v.id: v.differences[:3] for v in verdicts if v.id in known and v.id not in agreeing}
    assert not lost


def _suites() -> list[Path]:
    return (
        sorted(p for p in corpus.SUITES.iterdir() if p.is_dir() and p.name != "__pycache__")
        if corpus.SUITES.is_dir()
        else []
    )


@pytest.mark.parametrize("suite", _suites(), ids=lambda p: p.name)
def test_suite_composes_to_the_given_supergraph(suite: Path) -> None:
    composition = compose(
        [
            Subgraph(p.stem, p.read_text(), f"http://subgraph.invalid/{suite.name}/{p.stem}")
            for p in sorted((suite / "subgraphs").glob("*.graphql"))
        ]
    )
    assert composition.ok, [e.message for e in composition.errors]
    assert composition.supergraph is not None
    assert differences(read_supergraph((suite / "supergraph.graphql").read_text()), composition.supergraph) == []


def test_cases_without_a_verdict_are_few() -> None:
    def silent(case: dict[str, Any]) -> bool:
        return corpus.judged(case) is None

    cases = [json.loads(path.read_text()) for path in sorted(corpus.CASES.glob("*.json"))]
    assert sum(map(silent, cases)) < len(cases) / 50
