"""The repository's Markdown pages -> a site of static files with a search, which asks no other host for anything.

`lab docs [FOLDER]` builds it into `site/` or that folder; `python -m http.server -d site` shows it.

Every page that git has is on the site, at its own path, so that links between pages work as they do in the repository.
The pages' links to files that are no pages become plain text: the site doesn't carry the code.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[1]
TARGET: Final = ROOT / "site"
SECONDS: Final = 300

#: Sections of the navigation in their order: title, and what they hold: pages, folders, or (`/**`) folders with all
#: below.
SECTIONS: Final = (
    ("Begin", ("README.md", "docs/how-to", "CONTRIBUTING.md", "docs/glossary.md")),
    ("Gateway", ("gateway/README.md", "docs/gateway", "docs/reference")),
    ("Composition errors", ("docs/reference/errors",)),
    ("Events", ("docs/reference/events",)),
    ("Operations", ("docs/operations", "docs/data")),
    ("Architecture", ("docs/architecture",)),
    ("Decisions", ("docs/adr",)),
    ("Security", ("SECURITY.md", "docs/security")),
    ("Measurements", ("docs/performance.md", "lab/**")),
    (
        "Rooms",
        (
            "gateway/**",
            "subgraphs/**",
            "shared_schema/**",
            "event_broker/**",
            "workers/**",
            "botberi/**",
            "infra/**",
            "env/**",
        ),
    ),
    ("More", ("docs/**", ".")),
)
#: Pages of other people's, and those that no reader looks for.
_LEFT_OUT: Final = re.compile(r"(^|/)(node_modules|tests|changes)/")
_LINK: Final = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")
_FENCED: Final = re.compile(r"(^```.*?^```[^\n]*$)", re.MULTILINE | re.DOTALL)
#: Colours of the generator's messages, which it writes whatever it writes to.
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_OUTSIDE: Final = ("http://", "https://", "mailto:", "#")


class SiteError(Exception):
    """The site can't be built; the text says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """The files of the site below one folder."""

    root: Path
    #: Pages and the files beside them that pages link to, relative to `root`.
    pages: tuple[PurePosixPath, ...]
    files: tuple[PurePosixPath, ...]


def source(root: Path = ROOT) -> Source:
    """Files that git has in a checkout, ignored ones left out. Raises `SiteError` where git can't say."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=root, capture_output=True, check=False)
    if done.returncode:
        raise SiteError(f"git ls-files failed: {done.stderr.decode(errors='replace').strip()}")
    listed = (PurePosixPath(name) for name in done.stdout.decode().split("\0") if name)
    there = sorted(path for path in listed if not _LEFT_OUT.search(str(path)) and (root / path).is_file())
    pages = tuple(path for path in there if path.suffix == ".md")
    return Source(root, pages, tuple(path for path in there if path.suffix == ".json" and path.parts[0] == "docs"))


def build(target: Path, site: Source) -> None:
    """Write the site into `target`, which is replaced. A warning of the generator is an error: raises `SiteError`."""
    with tempfile.TemporaryDirectory(prefix="botberi-docs-") as folder:
        work = Path(folder)
        stage(site, work / "pages")
        (work / "mkdocs.yml").write_text(yaml.safe_dump(configuration(site), allow_unicode=True, sort_keys=False))
        command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(work / "mkdocs.yml")]
        environment = {**os.environ, "NO_COLOR": "1"}
        done = subprocess.run(
            command, cwd=work, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        if done.returncode or not (work / "site" / "index.html").is_file():
            raise SiteError(_COLOURS.sub("", done.stdout + done.stderr).strip())
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(work / "site", target)


def stage(site: Source, folder: Path) -> None:
    """The pages as the generator takes them: links that lead off the site are made plain text."""
    known = {*site.pages, *site.files}
    for path in site.files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(site.root / path, folder / path)
    for path in site.pages:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(on_site((site.root / path).read_text(), path, known))


def on_site(text: str, page: PurePosixPath, known: Iterable[PurePosixPath]) -> str:
    """A page's text, its links by what the site has: folders mean their README, what isn't there is no link."""
    there = set(known)

    def replaced(link: re.Match[str]) -> str:
        shown, target = link.groups()
        if target.startswith(_OUTSIDE):
            return link[0]
        path, hash_sign, anchor = target.partition("#")
        place = PurePosixPath(os.path.normpath(page.parent / path))
        if place in there:
            return link[0]
        if place / "README.md" in there:
            return f"[{shown}]({path.rstrip('/')}/README.md{hash_sign}{anchor})"
        return shown

    # Odd parts are fenced code.
    parts = _FENCED.split(text)
    return "".join(part if number % 2 else _LINK.sub(replaced, part) for number, part in enumerate(parts))


def configuration(site: Source) -> dict[str, object]:
    """The generator's: our own fonts and icons alone, a search, anchors as Git forges make them."""
    return {
        "site_name": "Botberi",
        "docs_dir": "pages",
        "site_dir": "site",
        "use_directory_urls": False,
        "nav": navigation(site),
        "theme": {
            "name": "material",
            "font": False,
            "features": ["navigation.indexes", "navigation.top", "navigation.prune", "search.highlight", "toc.follow"],
            "palette": [
                {"scheme": "default", "toggle": {"icon": "lucide/sun", "name": "Dark"}},
                {"scheme": "slate", "toggle": {"icon": "lucide/moon", "name": "Light"}},
            ],
        },
        "plugins": ["search"],
        "markdown_extensions": [
            "admonition",
            "attr_list",
            "tables",
            {"toc": {"permalink": True, "slugify": {"object": "pymdownx.slugs.slugify", "kwds": {"case": "lower"}}}},
            {"pymdownx.highlight": {"anchor_linenums": False}},
            "pymdownx.superfences",
        ],
        "validation": {"links": {"not_found": "warn", "anchors": "warn"}},
    }


def navigation(site: Source) -> list[dict[str, object]]:
    """Every page once: in the first section that names it or its folder; a folder's README comes first."""
    left = list(site.pages)
    sections: list[dict[str, object]] = []
    for title, places in SECTIONS:
        entries: list[dict[str, str]] = []
        for place in places:
            for page in sorted(_of(place, left), key=lambda page: (page.name != "README.md", page)):
                left.remove(page)
                entries.append({heading((site.root / page).read_text(), page): str(page)})
        if entries:
            sections.append({title: entries})
    if left:
        raise SiteError(f"no section of the navigation has {', '.join(map(str, left))}")
    return sections


def _of(place: str, pages: Sequence[PurePosixPath]) -> list[PurePosixPath]:
    """The page at that path, or the pages of that folder; with `/**` those of folders within as well."""
    path = PurePosixPath(place.removesuffix("/**"))
    if place.endswith("/**"):
        return [page for page in pages if path in page.parents]
    return [page for page in pages if page == path or page.parent == path]


def heading(text: str, page: PurePosixPath) -> str:
    """Name of a page: its first heading. Raises `SiteError` where it has none."""
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    if found is None:
        raise SiteError(f"{page} has no heading")
    return found[1].replace("`", "")


def main(arguments: Sequence[str]) -> int:
    """Build the site; exit code 1 with the generator's messages where a link or anchor leads nowhere."""
    target = Path(arguments[0]) if arguments else TARGET
    try:
        build(target, source())
    except SiteError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{target / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
