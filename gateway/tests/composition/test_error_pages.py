"""Each code of composition has a page, an example that gives it, one that composes, and patches that fix it."""

import ast
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from botberi_gateway.composition import Composition, Problem, Subgraph, compose
from botberi_gateway.composition.problem import LimitExceeded
from botberi_gateway.composition.report import ERRORS, HINTS, findings
from botberi_gateway.composition.report.edits import apply
from botberi_gateway.composition.report.fixes import FIXES

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent
#: Wrong in two ways by nature.
COMPANIONS = {"REQUIRES_UNSUPPORTED_ON_INTERFACE": {"REQUIRES_FIELDS_MISSING_EXTERNAL"}}


def pages() -> ModuleType:
    spec = importlib.util.spec_from_file_location("error_pages", ROOT / "docs" / "error_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES = pages()
EXAMPLES = [pytest.param(code, HERE / "cases" / code, id=code) for code in ERRORS if code not in PAGES.WITHOUT_EXAMPLE]
HINT_EXAMPLES = [pytest.param(code, HERE / "hints" / code, id=code) for code in HINTS]


def test_pages_are_current() -> None:
    assert PAGES.stale() == [], "run python docs/error_pages.py"


def test_every_code_in_the_source_is_known() -> None:
    """Codes stand in the source as literals, or as f-strings of a few families."""
    # Kinds of types and directive locations look like codes, and aren't.
    other = {"INPUT_OBJECT", "ENUM_VALUE", "FIELD_DEFINITION", "ARGUMENT_DEFINITION", "INPUT_FIELD_DEFINITION"}
    other |= {"FRAGMENT_DEFINITION", "FRAGMENT_SPREAD", "INLINE_FRAGMENT", "VARIABLE_DEFINITION"}
    parts = {"APPLIED_TO_NON_LIST", "INVALID_ASSUMED_SIZE", "INVALID_SIZED_FIELD", "INVALID_SLICING_ARGUMENT"}
    parts |= {"FIELD_ARGUMENT", "INPUT_FIELD"}
    found = set()
    for path in (ROOT / "gateway" / "botberi_gateway" / "composition").rglob("*.py"):
        if "report" not in path.parts:
            found |= set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', path.read_text()))
    assert found - other - parts - ERRORS.keys() - HINTS.keys() == set()
    assert len(found & (ERRORS.keys() | HINTS.keys())) > 70


def test_every_rule_names_its_page_of_the_specification() -> None:
    rules = sorted((ROOT / "gateway" / "botberi_gateway" / "composition" / "rules").glob("[!_]*.py"))
    assert len(rules) >= 20
    without = [path.name for path in rules if "https://" not in (ast.get_docstring(ast.parse(path.read_text())) or "")]
    assert without == []


def test_every_case_is_of_a_known_code() -> None:
    assert {p.name for p in (HERE / "cases").iterdir()} == ERRORS.keys() - PAGES.WITHOUT_EXAMPLE
    assert {p.name for p in (HERE / "hints").iterdir()} == HINTS.keys()


@pytest.mark.parametrize(("code", "case"), EXAMPLES)
def test_failing_example_gives_exactly_the_code(code: str, case: Path) -> None:
    assert {e.code for e in compose(PAGES.load(case)).errors} == {code} | COMPANIONS.get(code, set())


@pytest.mark.parametrize(("code", "case"), EXAMPLES)
def test_fixed_example_composes(code: str, case: Path) -> None:
    made = compose(PAGES.load(case / "fixed"))
    assert made.ok, [e.message for e in made.errors]


@pytest.mark.parametrize(("code", "case"), HINT_EXAMPLES)
def test_hint_is_given_and_goes_when_fixed(code: str, case: Path) -> None:
    failing, fixed = compose(PAGES.load(case)), compose(PAGES.load(case / "fixed"))
    assert failing.ok
    assert code in {h.code for h in failing.hints}
    assert fixed.ok
    assert code not in {h.code for h in fixed.hints}


@pytest.mark.parametrize(("code", "case"), [*EXAMPLES, *HINT_EXAMPLES])
def test_patch_fixes_what_it_is_for(code: str, case: Path) -> None:
    subgraphs = PAGES.load(case)
    made = compose(subgraphs)
    found = [f for f in findings((*made.errors, *made.hints), subgraphs) if f.code == code]
    edits = [edit for one in found for edit in one.patch]
    if not edits:
        assert code not in FIXES or code in ("INVALID_GRAPHQL", "INVALID_LINK_DIRECTIVE_USAGE")
        return
    patched = [Subgraph(s.name, apply(s.sdl, [e for e in edits if e.subgraph == s.name])) for s in subgraphs]
    after = compose(patched)
    assert code not in {p.code for p in (*after.errors, *after.hints)}
    assert "INVALID_GRAPHQL" not in {e.code for e in after.errors}


@pytest.mark.parametrize(
    ("sdl", "code", "fixed"),
    [
        ("type Query {\n  a: Prodct\n}\ntype Product {\n  id: ID\n}", "INVALID_GRAPHQL", "a: Product"),
        (
            'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["key"])\n'
            "type Query { a: Int }",
            "INVALID_LINK_DIRECTIVE_USAGE",
            '["@key"]',
        ),
    ],
)
def test_suggestions_become_patches(sdl: str, code: str, fixed: str) -> None:
    subgraphs = [Subgraph("a", sdl)]
    (found,) = findings(compose(subgraphs).errors, subgraphs)
    assert found.code == code
    patched = apply(sdl, found.patch)
    assert fixed in patched
    assert compose([Subgraph("a", patched)]).ok


def test_a_limit_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(*_: object) -> Composition:
        raise LimitExceeded("too much of it")

    monkeypatch.setattr(importlib.import_module("botberi_gateway.composition.compose"), "_compose", give_up)
    (error,) = compose([Subgraph("a", "type Query { a: Int }")]).errors
    assert isinstance(error, Problem)
    assert (error.code, error.message) == ("COMPOSITION_LIMIT_EXCEEDED", "Composition gave up: too much of it.")
