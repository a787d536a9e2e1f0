"""The cases of this folder: each is a folder with a `README.md`, the SDLs of subgraphs, and what is expected of them.

`composition/RULE/CASE`, `planner/FEATURE/CASE` and `execution/FEATURE/CASE`; README.md beside this file describes their
files.
"""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
KINDS: Final = ("composition", "planner", "execution")
#: What is no application of a directive: text (imports and field sets too), definitions.
_OTHER: Final = re.compile(r'""".*?"""|"(?:[^"\\\n]|\\.)*"|directive\s+@\w+', re.DOTALL)
_COMMENT: Final = re.compile(r"#.*")
_APPLIED: Final = re.compile(r"@([A-Za-z_]\w*)")


@dataclass(frozen=True)
class Folder:
    """One case."""

    path: Path

    def __str__(self) -> str:
        return f"{self.path.parent.name}-{self.path.name}"

    @property
    def group(self) -> str:
        """The rule or the feature that it is about."""
        return self.path.parent.name

    @cached_property
    def readme(self) -> str:
        return (self.path / "README.md").read_text("utf-8")

    @property
    def title(self) -> str:
        """The first line of its README."""
        return self.readme.partition("\n")[0].removeprefix("# ")

    def number(self, name: str) -> int | None:
        """The value of a line such as `Fetches: 2` of the README; None without the line."""
        match = re.search(rf"^{name}: (\d+)$", self.readme, re.MULTILINE)
        return None if match is None else int(match.group(1))

    def words(self, name: str) -> list[str]:
        """The comma-separated words of a line such as `Labels: a, b` of the README; none without the line."""
        match = re.search(rf"^{name}: (.+)$", self.readme, re.MULTILINE)
        return [] if match is None else [word.strip() for word in match.group(1).split(",")]

    @cached_property
    def subgraphs(self) -> dict[str, str]:
        """Name -> SDL, in the order of names."""
        return {p.stem: p.read_text("utf-8") for p in sorted((self.path / "subgraphs").glob("*.graphql"))}

    def text(self, name: str) -> str | None:
        """A file's content, None where there is none."""
        path = self.path / name
        return path.read_text("utf-8") if path.exists() else None

    def json(self, name: str) -> Any:
        """A JSON file's content, None where there is none."""
        text = self.text(name)
        return None if text is None else json.loads(text)


def applied(text: str) -> frozenset[str]:
    """Names of the directives that an SDL or an operation applies, but for `@link`.

    Directives that it only imports or defines don't count.
    """
    return frozenset(_APPLIED.findall(_OTHER.sub("", _COMMENT.sub("", text)))) - {"link"}


def folders(kind: str) -> list[Folder]:
    """All cases of a kind, in the order of their paths."""
    return [Folder(path.parent) for path in sorted((HERE / kind).glob("*/*/README.md"))]
