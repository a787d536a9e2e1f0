"""A version -> a release: changelog section, versions, the gateway's distributions in `dist/`, a commit and a tag.

`lab release 0.2.0` does it, `--draft` shows the changelog's section and does nothing. Nothing is pushed. Where a step
fails, the working tree is as it was before.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
#: Both have the same version, so that a checkout is one version.
PROJECTS: Final = ("pyproject.toml", "gateway/pyproject.toml")
_VERSION: Final = re.compile(r'^version = "([^"]+)"$', re.MULTILINE)
_NUMBERS: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


class ReleaseError(Exception):
    """Why there is no release."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A checkout, and the steps of a release in it."""

    root: Path = ROOT

    def release(self, version: str) -> tuple[Path, ...]:
        """Make the release; return its distributions. Raises `ReleaseError`, and then leaves nothing behind."""
        self.check(version)
        try:
            self.set_version(version)
            self.run(sys.executable, "-m", "towncrier", "build", "--yes", "--version", version)
            made = self.build(version)
            self.git("add", "--all")
            self.git("commit", "--quiet", "--message", f"Release {version}")
        except BaseException:
            self.git("reset", "--quiet", "--hard")
            raise
        try:
            self.git("tag", "--annotate", f"v{version}", "--message", f"Release {version}")
        except BaseException:
            self.git("reset", "--quiet", "--hard", "HEAD~1")
            raise
        return made

    def check(self, version: str) -> None:
        """Raises `ReleaseError` unless the version is newer, the tree clean, the tag free and something has changed."""
        new = _NUMBERS.fullmatch(version)
        if new is None:
            raise ReleaseError(f"{version} is no version: three numbers, such as 0.2.0, are expected.")
        versions = self.versions()
        if len(set(versions.values())) > 1:
            raise ReleaseError(f"The projects have different versions: {versions}.")
        old = _NUMBERS.fullmatch(next(iter(versions.values())))
        if old is not None and tuple(map(int, new.groups())) < tuple(map(int, old.groups())):
            raise ReleaseError(f"{version} is older than {old[0]}, the version of this checkout.")
        if self.git("status", "--porcelain"):
            raise ReleaseError("The working tree has changes that are not committed.")
        if self.git("tag", "--list", f"v{version}"):
            raise ReleaseError(f"There is a tag v{version} already.")
        if not self.fragments():
            raise ReleaseError("changes/ has no fragment: there is nothing to release.")

    def fragments(self) -> tuple[str, ...]:
        """The changes since the last release, by their files' names."""
        found = sorted(path.name for path in (self.root / "changes").glob("*.md") if path.name != "README.md")
        return tuple(found)

    def versions(self) -> dict[str, str]:
        """Project file -> its version."""
        read = {name: tomllib.loads((self.root / name).read_text()) for name in PROJECTS}
        return {name: str(project["project"]["version"]) for name, project in read.items()}

    def set_version(self, version: str) -> None:
        """Write it into both project files."""
        for name in PROJECTS:
            path = self.root / name
            text, changed = _VERSION.subn(f'version = "{version}"', path.read_text(), count=1)
            if changed != 1:
                raise ReleaseError(f"{name} has no line `version = …`.")
            path.write_text(text)

    def build(self, version: str) -> tuple[Path, ...]:
        """The gateway's wheel and source archive, in `dist/`; the platform is run from a checkout or its image."""
        target = self.root / "dist"
        command = [sys.executable, "-m", "hatchling", "build", "--directory", str(target)]
        self.run(*command, folder=self.root / "gateway")
        made = tuple(sorted(target.glob(f"botberi_gateway-{version}[-.]*")))
        if [path.suffix for path in made] != [".whl", ".gz"]:
            raise ReleaseError(f"dist/ has {[path.name for path in made]} instead of a wheel and a source archive.")
        return made

    def git(self, *arguments: str) -> str:
        """Output of git. Raises `ReleaseError`."""
        return self.run("git", *arguments)

    def run(self, *command: str, folder: Path | None = None) -> str:
        """Raises `ReleaseError` with the command's output where it fails."""
        done = subprocess.run(command, cwd=folder or self.root, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ReleaseError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}".strip())
        return done.stdout.strip()


def main(arguments: Sequence[str]) -> int:
    """Make a release; exit code 1 with the reason where there is none."""
    repository = Repository()
    versions = [argument for argument in arguments if not argument.startswith("-")]
    if len(versions) != 1 or set(arguments) - {versions[0], "--draft"}:
        print(__doc__)
        return 2
    try:
        if "--draft" in arguments:
            repository.check(versions[0])
            print(repository.run(sys.executable, "-m", "towncrier", "build", "--draft", "--version", versions[0]))
            return 0
        made = repository.release(versions[0])
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"v{versions[0]} is committed and tagged. Built: {', '.join(map(str, made))}")
    print(f"To publish: git push --follow-tags, and upload dist/botberi_gateway-{versions[0]}*")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
