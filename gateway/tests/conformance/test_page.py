"""docs/conformance.md counts the cases that there are; of each directive and each code there are some."""

import importlib.util
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from botberi_gateway.composition.report import ERRORS, HINTS

ROOT = Path(__file__).resolve().parents[3]
#: What no text of readable size brings about.
WITHOUT_CASE = {"COMPOSITION_LIMIT_EXCEEDED"}
#: Directives of which there is nothing to plan or to execute: composition takes them, clients or other tools read them.
COMPOSED_ONLY = {"tag", "composeDirective", "authenticated", "requiresScopes", "policy", "cost", "listSize", "cacheTag"}
COMPOSED_ONLY |= {"specifiedBy"}
#: What a kind of cases has nothing to say about.
UNSEEN = {
    "composition": {"skip", "include", "defer"},
    "planner": COMPOSED_ONLY | {"deprecated", "oneOf"},
    "execution": COMPOSED_ONLY,
}


def _page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("conformance_page", ROOT / "docs" / "conformance.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGE = _page()


def test_page_is_what_the_command_gives() -> None:
    assert PAGE.page() == (ROOT / "docs" / "conformance.md").read_text("utf-8"), "run python docs/conformance.py"


def test_there_are_enough_cases() -> None:
    counts = Counter(case.kind for case in PAGE.cases())
    assert counts["composition"] >= 400
    assert counts["planner"] >= 150
    assert counts["execution"] >= 200


@pytest.mark.parametrize("codes", [ERRORS.keys() - WITHOUT_CASE, HINTS.keys()], ids=["errors", "hints"])
def test_each_code_has_cases(codes: set[str]) -> None:
    assert codes <= {code for case in PAGE.cases() for code in case.codes}


@pytest.mark.parametrize("kind", ["composition", "planner", "execution"])
def test_each_directive_has_cases(kind: str) -> None:
    used = {directive for case in PAGE.cases() if case.kind == kind for directive in case.directives}
    known = {name for names in PAGE.DIRECTIVES.values() for name in names}
    assert known - UNSEEN[kind] <= used


def test_each_case_says_what_it_shows() -> None:
    for case in PAGE.cases():
        if case.folder is not None:
            assert case.folder.readme.startswith("# "), case.folder
            assert len(case.folder.title) > 15, case.folder
            assert "Specification: [" in case.folder.readme, case.folder
