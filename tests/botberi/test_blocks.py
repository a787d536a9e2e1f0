"""Every block of shell or Python on a page is run: here, or by the test that a line before it names, if any does.

    <!-- run by tests/platform/test_first_run.py -->
    <!-- not run: needs Docker -->

Programs and options of every shell block exist, those that aren't run included.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main

from botberi.cli import app as botberi
from botberi_gateway.cli import app as gateway
from lab.bench.cli import app as bench
from lab.cli import app as lab
from lab.docs_site import source
from tests.platform.running import ROOT, clean_environment

_FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"<!-- (?:run by (?P<test>\S+)|not run: (?P<reason>.+)) -->\n\Z")
LANGUAGES = {"sh", "python", "graphql", "json", "sql", "text", "yaml", "toml", "ts", "mermaid"}
PROGRAMS: dict[str, typer.Typer] = {"botberi": botberi, "botberi-gateway": gateway, "lab": lab}
#: What else commands of the pages begin with.
OTHERS = {"infra/make_secrets.sh", "./test", "ruff", "mypy", "lint-imports", "alembic", "curl", "docker", "pg_dump"}
OTHERS |= {"helm", "kubectl", "openssl", "pip", "uvicorn"}
SHAREABLE = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable"])\n'
USERS = f'{SHAREABLE}type Query {{ me: User }} type User @key(fields: "id") {{ id: ID! name: String }}'
REVIEWS = f'{SHAREABLE}type User @key(fields: "id") {{ id: ID! reviews: [String] }}'


async def _no_app(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nothing is asked")


def _subgraphs(**sdls: str) -> list[Any]:
    from botberi_gateway import Subgraph

    return [Subgraph(name, sdl) for name, sdl in sdls.items()]


#: Names that a page's Python takes for granted.
NAMES: dict[str, dict[str, Any]] = {
    "docs/reference/composition.md": {
        "users_sdl": USERS,
        "reviews_sdl": REVIEWS,
        "subgraphs": _subgraphs(users=USERS, reviews=REVIEWS),
        "subgraphs_after_a_change": _subgraphs(users=USERS, reviews=REVIEWS.replace("[String]", "[String!]")),
    },
    "docs/reference/gateway.md": {"accounts_sdl": USERS, "reviews_sdl": REVIEWS, "reviews_asgi_app": _no_app},
}


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    text: str
    test: str | None
    reason: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_code(self) -> bool:
        return self.language in ("sh", "python")

    @property
    def commands(self) -> list[list[str]]:
        """Words of each command, what the shell makes of them (pipes, variables) aside."""
        text = self.text.replace("\\\n", " ")
        parts = [part for line in text.splitlines() for part in re.split(r"&&|\|", line)]
        words = [shlex.split(part, comments=True) for part in parts]
        return [[word for word in found if not re.match(r"[A-Z_]+=", word)] for found in words if found]


def blocks() -> Iterator[Block]:
    for page in source().pages:
        text = (ROOT / page).read_text()
        for found in _FENCE.finditer(text):
            mark = _MARK.search(text[: found.start()])
            test, reason = (mark["test"], mark["reason"]) if mark else (None, None)
            line = text.count("\n", 0, found.start()) + 1
            yield Block(str(page), line, found[2], found[3], test, reason)


BLOCKS = list(blocks())
CODE = [block for block in BLOCKS if block.is_code]


def test_every_block_has_a_language() -> None:
    assert [str(block) for block in BLOCKS if block.language not in LANGUAGES] == []
    assert len(CODE) > 25


def test_no_mark_is_without_a_block() -> None:
    marks = sum(
        len(re.findall(r"^ *<!-- (?:run by|not run)", (ROOT / page).read_text(), re.MULTILINE))
        for page in source().pages
    )
    assert marks == sum(block.test is not None or block.reason is not None for block in CODE)


@pytest.mark.parametrize("block", [block for block in CODE if block.test is not None], ids=str)
def test_the_test_that_is_named_reads_the_page(block: Block) -> None:
    assert block.test is not None
    text = (ROOT / block.test).read_text()
    assert Path(block.page).name in text or f'"{Path(block.page).stem}"' in text


@pytest.mark.parametrize("block", [b for b in CODE if b.test is None and b.reason is None], ids=str)
def test_what_no_mark_is_about_runs_here(block: Block, tmp_path: Path) -> None:
    if block.language == "python":
        program = compile(block.text, str(block), "exec")
        exec(program, dict(NAMES.get(block.page, {})))
        return
    environment = clean_environment({"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"})
    done = subprocess.run(
        ["sh", "-ec", block.text], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("block", [block for block in CODE if block.language == "sh"], ids=str)
def test_programs_and_options_exist(block: Block) -> None:
    assert block.commands
    for words in block.commands:
        program = words[0].removeprefix(".venv/bin/")
        if program == "./start":
            program, words = "botberi", ["botberi", "up", *words[1:]]
        if program in PROGRAMS:
            check(typer.main.get_command(PROGRAMS[program]), words[1:], str(block))
        else:
            assert program in OTHERS, f"{block}: {program}"


def check(command: Any, words: list[str], where: str) -> None:
    """Sub-commands and options of a command line, as far as they are the program's own."""
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        name, *words = words
        assert name in command.commands, f"{where}: there is no {name}"
        command = command.commands[name]
        if command.name == "bench":
            command = typer.main.get_command(bench)
    if command.ignore_unknown_options:
        return
    known = {"--help"}.union(*(set(option.opts) | set(option.secondary_opts) for option in command.params))
    for word in words:
        if word.startswith("-"):
            assert word.split("=")[0] in known, f"{where}: {command.name} has no {word}"


def test_the_error_on_the_page_of_composition_is_the_real_one(tmp_path: Path) -> None:
    page = (ROOT / "docs/reference/composition.md").read_text()
    [(command, expected)] = re.findall(r"```text\n\$ (botberi-gateway compose [^\n]*)\n(.*?)```", page, re.DOTALL)
    (tmp_path / "a.graphql").write_text(f"{SHAREABLE}\ntype Query {{\n  count: Int\n  a: Int\n}}\n")
    (tmp_path / "b.graphql").write_text(f"{SHAREABLE}\ntype Query {{\n  count: Int @shareable\n  b: Int\n}}\n")
    environment = clean_environment({"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"})
    done = subprocess.run(
        shlex.split(command), cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert (done.stdout + done.stderr).strip() == expected.strip()
