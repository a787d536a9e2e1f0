"""The pages' operations are valid, their commands exist, their links lead somewhere."""

import re
from pathlib import Path

import pytest
import typer.main
from graphql import GraphQLSchema, parse, validate

from botberi.cli import app
from botberi.parts.subgraphs import NAMES, sdl_file
from botberi.table import FIRST_QUERY
from botberi.wiring.supergraph import read_sdl
from botberi_gateway import cli as gateway_cli
from botberi_gateway.composition import Subgraph, compose
from lab import cli as lab_cli
from lab.docs_site import source

ROOT = Path(__file__).parents[2]
PAGES = [*(ROOT / page for page in source().pages), ROOT / "llms.txt"]
FOLDERS = [path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")]
#: Looks like a path, and is none or not yet one.
NO_PATHS = {
    "botberi/shared_psql": "an event's source",
    "env/prod/gateway.env": "made from its template at an installation",
    "workers/workflows/word_count.py": "made by the how-to's reader",
    "tests/workers/test_word_count.py": "made by the how-to's reader",
}


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    composition = compose([Subgraph(name=name, sdl=read_sdl(sdl_file(name)), url="") for name in NAMES])
    assert composition.supergraph is not None, composition.errors
    return composition.supergraph.api_schema


def test_operations_to_paste_are_valid(schema: GraphQLSchema) -> None:
    blocks = re.findall(r"```graphql\n(.*?)```", (ROOT / "docs/how-to/first-run.md").read_text(), re.DOTALL)
    assert len(blocks) >= 6
    for operation in [*blocks, FIRST_QUERY]:
        assert validate(schema, parse(operation)) == [], operation


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_commands(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), target
    if page.name == "CHANGELOG.md":
        return  # it names commands of the past
    for program, typed in (("botberi", app), ("botberi-gateway", gateway_cli.app), ("lab", lab_cli.app)):
        commands = set(typer.main.get_command(typed).commands)  # type: ignore[attr-defined]
        for command in re.findall(rf"(?:^|`|\$ )(?:\.venv/bin/)?{program} ([a-z]+)", text, re.MULTILINE):
            assert command in commands, f"{program} {command}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_of_the_repository_are_there(page: Path) -> None:
    """Paths in code, from the repository's root: `gateway/tests/planner`, `docs/adr/*.md`; not the changelog's."""
    if page.name == "CHANGELOG.md":
        return
    path = re.compile(rf"(?:{'|'.join(map(re.escape, FOLDERS))})/[\w./*-]*")
    words = [word.rstrip(".,:") for span in re.findall(r"`([^`\n]+)`", page.read_text()) for word in span.split()]
    found = {word for word in words if path.fullmatch(word) and word not in NO_PATHS}
    assert [word for word in sorted(found) if not list(ROOT.glob(word.rstrip("/")))] == []
