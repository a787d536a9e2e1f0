"""Writes docs/reference/errors/: a page for each code of composition, from the code's own test case.

`python docs/error_pages.py [--check]`

A case is a folder of `gateway/tests/composition/cases` (errors) or `hints`: subgraphs that give the code, and below
`fixed` what composes.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "gateway"))

from botberi_gateway.composition import Subgraph, compose  # noqa: E402
from botberi_gateway.composition.report import ERRORS, HINTS, Meaning, findings, text  # noqa: E402

CASES = ROOT / "gateway" / "tests" / "composition"
TARGET = ROOT / "docs" / "reference" / "errors"
#: What no text of readable size brings about.
WITHOUT_EXAMPLE = frozenset({"COMPOSITION_LIMIT_EXCEEDED"})


def load(folder: Path) -> list[Subgraph]:
    """The subgraphs of a folder, named as their files."""
    return [Subgraph(path.stem, path.read_text("utf-8")) for path in sorted(folder.glob("*.graphql"))]


def pages() -> dict[str, str]:
    """File name -> text, of all pages."""
    files = {f"{code}.md": "\n".join(_page(code, ERRORS[code], CASES / "cases" / code)) + "\n" for code in ERRORS}
    files |= {f"{code}.md": "\n".join(_page(code, HINTS[code], CASES / "hints" / code)) + "\n" for code in HINTS}
    files["README.md"] = "\n".join(_index()) + "\n"
    return files


def _index() -> Iterator[str]:
    yield "# Errors and hints of composition\n"
    yield (
        "Made by `python docs/error_pages.py` from the test cases; don't edit by hand. "
        "`botberi-gateway compose` names the page of each code.\n"
    )
    for title, codes in (("Errors", ERRORS), ("Hints", HINTS)):
        yield f"## {title}\n"
        if codes is HINTS:
            yield "Composition succeeds with hints; they say what may not be meant.\n"
        yield "| code | meaning |\n|---|---|"
        yield from (f"| [{code}]({code}.md) | {codes[code].says} |" for code in sorted(codes))
        yield ""


def _page(code: str, meaning: Meaning, case: Path) -> Iterator[str]:
    yield f"# {code}\n"
    yield f"{meaning.says}\n\n**Expected:** {meaning.expected}\n"
    if code in WITHOUT_EXAMPLE:
        yield "No example of readable size brings it about."
        return
    failing, fixed = load(case), load(case / "fixed")
    before = {s.name: s.sdl for s in failing}
    yield "## Example\n"
    if not failing:
        yield "No subgraphs at all.\n"
    yield from _files(before)
    yield "Composition says:\n\n```text"
    composition = compose(failing)
    problems = [p for p in (*composition.hints, *composition.errors) if p.code == code or p.level == "ERROR"]
    files = {s.name: f"{s.name}.graphql" for s in failing}
    yield text(findings(problems, failing, files)).rstrip("\n")
    yield "```\n"
    yield "## Fixed\n"
    changed = {s.name: s.sdl for s in fixed if before.get(s.name) != s.sdl}
    yield from _files(changed)
    gone = sorted(before.keys() - {s.name for s in fixed})
    if gone:
        yield f"{', '.join(f'`{name}.graphql`' for name in gone)} is gone.\n"
    same = [s.name for s in fixed if s.name not in changed]
    if same:
        yield f"{', '.join(f'`{name}.graphql`' for name in same)} as before.\n"


def _files(sdls: Mapping[str, str]) -> Iterator[str]:
    for name, sdl in sdls.items():
        yield f"`{name}.graphql`\n\n```graphql\n{sdl.strip()}\n```\n"


def stale(folder: Path = TARGET) -> list[str]:
    """Names of pages that are missing, outdated or of no code."""
    wanted = pages()
    there = {path.name: path.read_text("utf-8") for path in folder.glob("*.md")}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` name those that are not current; exit code 1 where there are some."""
    if "--check" in arguments:
        outdated = stale()
        for name in outdated:
            print(f"{name} is not current: run python docs/error_pages.py")
        return 1 if outdated else 0
    TARGET.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for path in TARGET.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    for name, content in wanted.items():
        (TARGET / name).write_text(content, "utf-8")
    print(f"{len(wanted)} pages in {TARGET.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
