"""Writes docs/conformance.md: runs the repository's own conformance cases and counts them.

`python docs/conformance.py [--check]`.

The page is written only where every case passes. `--check` runs nothing: it says whether the page counts the cases that
there are.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "gateway")]

from gateway.tests.conformance.folders import KINDS, Folder, applied, folders  # noqa: E402

TARGET: Final = ROOT / "docs" / "conformance.md"
TESTS: Final = ROOT / "gateway" / "tests"
COMPOSITION: Final = TESTS / "composition"
#: The tests that run what the page counts.
RUN: Final = (
    "gateway/tests/conformance",
    "gateway/tests/composition/test_errors.py",
    "gateway/tests/composition/test_error_pages.py",
    "gateway/tests/composition/test_verdicts.py",
    "tests/fuzz/test_fuzz.py::test_case",
)
DIRECTIVES: Final = {
    "Federation": (
        *("key", "shareable", "external", "requires", "provides", "override", "interfaceObject", "inaccessible", "tag"),
        *(
            "composeDirective",
            "context",
            "fromContext",
            "authenticated",
            "requiresScopes",
            "policy",
            "cost",
            "listSize",
        ),
        *("cacheTag", "extends"),
    ),
    "GraphQL": ("deprecated", "specifiedBy", "oneOf", "skip", "include", "defer"),
}
_FEATURE: Final = {"composition": "rule", "planner": "feature", "execution": "feature"}


@dataclass(frozen=True)
class Case:
    """One case, wherever it is written: the texts of its subgraphs and its operation, and the codes that it expects."""

    kind: str
    texts: tuple[str, ...]
    codes: frozenset[str] = field(default=frozenset())
    #: None for a case outside of the conformance folder.
    folder: Folder | None = None

    @property
    def directives(self) -> frozenset[str]:
        """Those that it applies, by their names in the specification."""
        return frozenset(name.removeprefix("federation__") for text in self.texts for name in applied(text))


def cases() -> list[Case]:
    """All of the repository."""
    return [*_folders(), *_codes(), *_verdicts(), *_found()]


def _folders() -> Iterator[Case]:
    for kind in KINDS:
        for folder in folders(kind):
            texts = (*folder.subgraphs.values(), folder.text("operation.graphql") or "")
            said = (folder.text("errors.txt") or "") + (folder.text("hints.txt") or "")
            yield Case(kind, texts, frozenset(line.split()[0] for line in said.splitlines()), folder)


def _codes() -> Iterator[Case]:
    """A folder for each code of an error or a hint."""
    for folder in sorted([*(COMPOSITION / "cases").iterdir(), *(COMPOSITION / "hints").iterdir()]):
        texts = tuple(path.read_text("utf-8") for path in sorted(folder.glob("*.graphql")))
        yield Case("composition", texts, frozenset((folder.name,)))


def _verdicts() -> Iterator[Case]:
    """Sets with the codes of a reference composer."""
    for file in sorted([*COMPOSITION.glob("verdicts/*/*/expected"), *COMPOSITION.glob("own_verdicts/*/*/expected")]):
        texts = tuple(path.read_text("utf-8") for path in sorted((file.parent / "subgraphs").glob("*.graphql")))
        yield Case("composition", texts, frozenset(file.read_text("utf-8").strip().split(", ")) - {"ok"})


def _found() -> Iterator[Case]:
    """Pairs of graph and operation that the fuzzer found, and kinds of graphs: answers are a monolith's."""
    for path in sorted((TESTS / "cases").glob("*/case.json")):
        folder = path.parent
        sdls = tuple(sdl.read_text("utf-8") for sdl in sorted((folder / "subgraphs").glob("*.graphql")))
        for operation in sorted([*folder.glob("operation.graphql"), *folder.glob("operations/*.graphql")]):
            yield Case("execution", (*sdls, operation.read_text("utf-8")))


def page() -> str:
    """The page's text."""
    return "\n".join(_lines(cases())) + "\n"


def _lines(everything: list[Case]) -> Iterator[str]:
    own = [case for case in everything if case.folder is not None]
    yield "# Conformance\n"
    yield (
        "Made by `python docs/conformance.py`, which runs all cases counted here and writes this page only "
        "where each of\n"
        "them passes; don't edit it by hand. A clone needs nothing else to run them: all schemas and data "
        "are our own.\n"
    )
    yield "| | `conformance/` | elsewhere | all | compared with |\n|---|--:|--:|--:|---|"
    against = {
        "composition": "facts of the supergraph and the API, codes with places; verdicts of a reference composer",
        "planner": "the plan's text, fetches and steps; answers of one monolith",
        "execution": "written answers; answers of one monolith, by each executor",
    }
    for kind in KINDS:
        mine, total = (sum(case.kind == kind for case in some) for some in (own, everything))
        yield f"| {kind} | {mine} | {total - mine} | {total} | {against[kind]} |"
    yield (
        "\nEach case is a folder. `gateway/tests/conformance/README.md` says what stands in those of that "
        "folder. Elsewhere: one for each\n"
        "code (`gateway/tests/composition/cases` and `hints`), sets with a reference composer's verdict "
        "(`verdicts` and\n"
        "`own_verdicts` beside them), and graphs on which the fuzzer found a fault once "
        "(`gateway/tests/cases`, each operation a case).\n"
    )
    yield "## By directive\n"
    yield "How many cases apply the directive in a subgraph or use it in their operation.\n"
    yield "| directive | composition | planner | execution |\n|---|--:|--:|--:|"
    counts = {kind: Counter(d for case in everything if case.kind == kind for d in case.directives) for kind in KINDS}
    for names in DIRECTIVES.values():
        yield from (
            f"| `@{name}` | {' | '.join(str(counts[kind][name]) for kind in KINDS)} |" for name in sorted(names)
        )
    yield from _by_code(everything)
    for kind in KINDS:
        yield from _by_group(kind, [case.folder for case in own if case.kind == kind and case.folder is not None])
    yield from _shared()


def _by_code(everything: list[Case]) -> Iterator[str]:
    from botberi_gateway.composition.report import ERRORS, HINTS

    counts = Counter(code for case in everything for code in case.codes)
    for title, codes in (("By error code", ERRORS), ("By hint code", HINTS)):
        yield f"\n## {title}\n"
        yield "How many cases expect the code.\n"
        yield "| code | cases |\n|---|--:|"
        for code in sorted(codes):
            yield f"| [{code}](reference/errors/{code}.md) | {counts[code]} |"


def _by_group(kind: str, some: list[Folder]) -> Iterator[str]:
    groups: dict[str, list[Folder]] = {}
    for folder in some:
        groups.setdefault(folder.group, []).append(folder)
    yield f"\n## {kind.capitalize()}, by {_FEATURE[kind]}"
    for name, inside in groups.items():
        yield f"\n### {name.replace('_', ' ').capitalize()} ({len(inside)})\n"
        for folder in inside:
            link = f"../{folder.path.relative_to(ROOT)}"
            yield f"- [{folder.title}]({link}){_size(folder)}"


def _size(folder: Folder) -> str:
    fetches, steps = folder.number("Fetches"), folder.number("Steps")
    return "" if fetches is None else f": fetches {fetches}, steps {steps}"


def _shared() -> Iterator[str]:
    agreeing = len((COMPOSITION / "corpus_baseline.txt").read_text("utf-8").split())
    planned = len((TESTS / "planner" / "baseline.txt").read_text("utf-8").split())
    yield "\n## What other projects' cases add\n"
    yield (
        "Where the folder `../shared/conformance` is beside the project, tests read other projects' cases "
        "as well; they are not part of\n"
        "this repository. Without it these tests are skipped, and each says what it would add. The number "
        "is of the cases that passed\n"
        "when the baseline beside the test was written; none of them may fail again.\n"
    )
    yield "| folder | what it adds | passed |\n|---|---|--:|"
    yield f"| `composition` | 1,030 sets of subgraphs with the verdicts of two composers | {agreeing} |"
    yield f"| `planner` | 179 operations with the fetches and steps of two planners | {planned} |"
    yield (
        "| `federation` | the public federation audit: 30 graphs with 151 operations, their data and their "
        "supergraphs | all |"
    )
    yield "| `scale` | four large graphs with what two composers and planners needed for them | all |"


def main(arguments: list[str]) -> int:
    """The exit code."""
    if "--check" in arguments:
        stale = page() != TARGET.read_text("utf-8")
        print("docs/conformance.md is out of date: run python docs/conformance.py" if stale else "up to date")
        return int(stale)
    command = [sys.executable, "-m", "pytest", "-q", "--deselect", "gateway/tests/conformance/test_page.py", *RUN]
    ran = subprocess.run(command, cwd=ROOT, check=False)  # noqa: S603 (our own interpreter and arguments)
    if ran.returncode:
        print("A case fails: docs/conformance.md stays as it is.")
        return ran.returncode
    TARGET.write_text(page(), "utf-8")
    print(f"written: {TARGET.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
