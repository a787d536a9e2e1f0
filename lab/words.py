"""The words of the project's former dialect, counted by room; how often each room may still have them only falls.

`lab words` prints the counts, `lab words --where ROOM` the places, `lab words --lower` writes counts that have fallen
into the file of ceilings.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
CEILINGS: Final = ROOT / "lab" / "words.json"

#: Each word with its forms; `docs/glossary.md` says what is written instead.
DIALECT: Final = {
    "anew": ("anew",),
    "climb": ("climb", "climbs", "climbed", "climbing"),
    "mend": ("mend", "mends", "mended", "mending"),
    "misfit": ("misfit", "misfits"),
    "nobody": ("nobody",),
    "patience": ("patience",),
    "strange": ("strange", "stranger", "strangers"),
    "told": ("told", "untold"),
    "whoever": ("whoever",),
}
#: Words that are data, or names that exist outside the project, by file: each can't be written otherwise.
_FIXED: Final = {
    # The name of a function in databases that have run the migration.
    "shared_schema/migrations/shared_psql/versions/0005_run_triggers.py": "told",
    # A stop word of English.
    "workers/textual/split.py": "nobody",
    # A user of Unix systems.
    "botberi/postgres.py": "nobody",
    "botberi/postgres_places.py": "nobody",
    "tests/botberi/test_embedded_postgres.py": "nobody",
    # A field of generated graphs: another name would change the graph of every seed.
    "lab/fuzzing/maker.py": "told",
    "lab/fuzzing/kinds/hidden.py": "told",
    # A class of the executor's inner files.
    "tests/security/test_long_work_off_the_loop.py": "climb",
}
_WORD_OF: Final = {form: word for word, forms in DIALECT.items() for form in forms}

_TEXTS: Final = frozenset(
    (
        ".py",
        ".md",
        ".toml",
        ".yaml",
        ".yml",
        ".sh",
        ".graphql",
        ".txt",
        ".json",
        ".ts",
        ".tsx",
        ".mjs",
        ".go",
        ".ini",
        ".conf",
    )
)
#: Written by others, or about the words themselves.
_LEFT_OUT: Final = re.compile(
    r"(^|/)(node_modules|public|package-lock\.json|requirements\.lock)(/|$)|^lab/words\.|^tests/lab/test_words\.py$"
)
_OLD_NAMES: Final = re.compile(r"<!-- names of before -->.*?<!-- end of names of before -->", re.DOTALL)
#: Names of code in a page's text are counted where the code is.
_CODE_IN_PAGES: Final = re.compile(r"^```.*?^```|`[^`\n]*`|\]\([^)\s]*\)", re.MULTILINE | re.DOTALL)
_TOKEN: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A word in a file; line 0 is the file's name."""

    path: PurePosixPath
    line: int
    word: str


def room(path: PurePosixPath) -> str:
    """`gateway/botberi_gateway/planner/walk.py` -> `gateway/planner`; other files by their top folder, or `.`."""
    parts = path.parts
    if len(parts) > 3 and parts[:2] == ("gateway", "botberi_gateway"):
        inner = len(parts) > 4 and parts[2:4] == ("executor", "compiled")
        return "gateway/executor/compiled" if inner else f"gateway/{parts[2]}"
    if len(parts) > 2 and parts[0] in ("gateway", "docs"):
        return "/".join(parts[:2])
    return parts[0] if len(parts) > 1 else "."


def words(text: str, *, page: bool = False) -> Iterator[tuple[int, str]]:
    """Line and word of the dialect, alone or in a name (`told_of`, `MAX_PATIENCE`); of a page its prose alone."""
    if page:
        for left_out in (_OLD_NAMES, _CODE_IN_PAGES):
            text = left_out.sub(lambda part: "\n" * part[0].count("\n"), text)
    for number, line in enumerate(text.splitlines(), 1):
        for token in _TOKEN.findall(line):
            word = _WORD_OF.get(token.lower())
            if word is not None:
                yield number, word


def places(root: Path = ROOT) -> Iterator[Place]:
    """Every dialect word in the texts that git has, names of files included."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout.decode().split("\0")
    for name in sorted(filter(None, listed)):
        path = PurePosixPath(name)
        if _LEFT_OUT.search(name) or not (root / path).is_file():
            continue
        for _, word in words(path.name):
            yield Place(path, 0, word)
        if path.suffix in _TEXTS or not path.suffix:
            for line, word in words((root / path).read_text(errors="replace"), page=path.suffix == ".md"):
                if _FIXED.get(name) != word:
                    yield Place(path, line, word)


def counts(found: Iterator[Place]) -> dict[str, int]:
    """Room -> how many."""
    return dict(sorted(Counter(room(place.path) for place in found).items()))


def above(now: dict[str, int], allowed: dict[str, int]) -> dict[str, int]:
    """The rooms that have more than they may."""
    return {name: count for name, count in now.items() if count > allowed.get(name, 0)}


def ceilings() -> dict[str, int]:
    """Room -> how many there may be; a room that isn't named may have none."""
    read: dict[str, int] = json.loads(CEILINGS.read_text())
    return read


def former_ceilings() -> list[dict[str, int]]:
    """The file as each commit had it that changed it; nothing where git has no history."""
    path = str(CEILINGS.relative_to(ROOT))
    log = subprocess.run(
        ["git", "log", "--format=%H", "--", path], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    found: list[dict[str, int]] = []
    for commit in log.split():
        shown = subprocess.run(
            ["git", "show", f"{commit}:{path}"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if shown.returncode == 0:
            found.append(json.loads(shown.stdout))
    return found


def write(values: dict[str, int]) -> None:
    CEILINGS.write_text(json.dumps(dict(sorted(values.items())), indent=2) + "\n")


def main(arguments: Sequence[str]) -> int:
    """Print, locate or lower the counts; exit code 1 where a room is above its ceiling."""
    found = list(places())
    now, allowed = counts(iter(found)), ceilings()
    match arguments:
        case ["--where", wanted]:
            for place in found:
                if room(place.path) == wanted:
                    print(f"{place.path}:{place.line}: {place.word}")
        case ["--lower"]:
            write({name: least for name, most in allowed.items() if (least := min(most, now.get(name, 0)))})
        case []:
            for name in sorted({*now, *allowed}):
                print(f"{name:<28}{now.get(name, 0):>6} of {allowed.get(name, 0)}")
        case _:
            print(__doc__)
            return 2
    return int(bool(above(now, allowed)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
