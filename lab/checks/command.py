"""Arguments of `./test` -> everything checked, or one part of it; the exit code of the whole."""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from lab.checks import containers, coverage, debian
from lab.checks.chains import ALONE
from lab.checks.steps import LINES, Background, Outcome, Step

_ROOT: Final = Path(__file__).parents[2]
#: Leaves system packages as they are; the tests that need missing ones are skipped and listed.
NO_SYSTEM_PACKAGES: Final = "--no-system-packages"
ONLY: Final = "--only"
#: Measures which lines the tests of `unit` run.
COVERAGE: Final = "--coverage"
#: Runs the compose files on a Docker engine, and nothing else.
CONTAINERS: Final = "--containers"
#: The environment variable by which the tests in tests/containers know that they are meant.
CONTAINERS_VARIABLE: Final = "BOTBERI_TEST_CONTAINERS"
_IN_PARALLEL: Final = ("-p", "lab.checks.plugin", "-n", "2", "--no-loadscope-reorder")
#: Parts without a test -> names of their steps.
_STEPS: Final[Mapping[str, tuple[str, ...]]] = {
    "lint": ("ruff check", "ruff format", "import rules"),
    "types": ("mypy",),
}
#: Parts that are tests -> what pytest gets.
_TESTS: Final[Mapping[str, tuple[str, ...]]] = {
    "gateway": ("gateway/tests",),
    "unit": (
        "gateway/tests",
        "tests",
        *(f"--ignore={folder}" for folder in (*ALONE, "tests/packaging/", "tests/containers/")),
    ),
    "servers": ALONE,
    "packaging": ("tests/packaging",),
}
PARTS: Final = (*_STEPS, *_TESTS)


def run(arguments: Sequence[str]) -> int:
    """Run all checks; with `--only PART` that part, with `--coverage` its coverage; else pytest with the arguments."""
    os.chdir(_ROOT)
    given = list(arguments)
    if COVERAGE in given:
        os.environ.update(coverage.environment(_ROOT))
        given.remove(COVERAGE)
        given = given if ONLY in given else [ONLY, "unit", *given]
    if CONTAINERS in given:
        return _containers([argument for argument in given if argument != CONTAINERS])
    if ONLY in given:
        return _only(given)
    install = NO_SYSTEM_PACKAGES not in given
    given = [argument for argument in given if argument != NO_SYSTEM_PACKAGES]
    return _pytest(given) if given else _everything(install=install)


def _only(given: list[str]) -> int:
    """`--only PART` and, where the part is tests, further arguments of pytest. No system package is installed."""
    place = given.index(ONLY)
    part = given[place + 1] if place + 1 < len(given) else ""
    rest = [argument for argument in (*given[:place], *given[place + 2 :]) if argument != NO_SYSTEM_PACKAGES]
    if part in _TESTS:
        return _pytest([*_IN_PARALLEL, *_TESTS[part], *rest])
    if part not in _STEPS:
        print(f"lab test: {ONLY} {part!r} is none of {', '.join(PARTS)}", file=sys.stderr)
        return 2
    if rest:
        print(f"lab test: {ONLY} {part} takes no further arguments: {' '.join(rest)}", file=sys.stderr)
        return 2
    outcomes = [_say(step.run()) for step in _linters() if step.name in _STEPS[part]]
    return int(any(not outcome.ok for outcome in outcomes))


def _containers(arguments: list[str]) -> int:
    """`--containers`, and further arguments of pytest: without an engine one line, and the exit code of no tests."""
    reason = containers.problem()
    if reason is not None:
        print(f"lab test: containers     not run: {reason}", flush=True)
        return 5
    os.environ[CONTAINERS_VARIABLE] = "1"
    return _pytest(
        arguments if any("tests/containers" in each for each in arguments) else ["tests/containers", *arguments]
    )


def _everything(*, install: bool) -> int:
    background, outcomes = _prepare(install=install)
    outcomes += [_say(step.run()) for step in _linters()]
    outcomes += [_say(outcome) for outcome in background.wait()]
    outcomes += [_say(_left_out(package)) for package in debian.missing()]
    os.environ[LINES] = "\n".join(outcome.line() for outcome in outcomes)
    if coverage.IS_CHEAP:
        os.environ.update(coverage.environment(_ROOT))
    code = _pytest([*_IN_PARALLEL, "--ignore=tests/containers"])
    return code or int(any(not outcome.ok and not outcome.skipped for outcome in outcomes))


def _prepare(*, install: bool) -> tuple[Background, list[Outcome]]:
    """Begin to install what is missing, beside the linters; say what, before it is done."""
    packages = debian.missing()
    steps: list[Step] = []
    if packages and install and debian.can_install():
        print("lab test: these system packages are missing and will be installed with apt-get:", flush=True)
        for package in packages:
            print(f"lab test:   {package.name:<16} for {package.tests}", flush=True)
        print(f"lab test: ({NO_SYSTEM_PACKAGES} installs none and skips those tests)", flush=True)
        steps += debian.install_steps(packages, _ROOT)
    steps.append(Step("GraphiQL", [sys.executable, "-m", "botberi_gateway.transport.graphiql.build"], _ROOT, 600))
    return Background(steps), []


def _linters() -> list[Step]:
    bin_dir = Path(sys.executable).parent
    return [
        Step("ruff check", [str(bin_dir / "ruff"), "check", "."], _ROOT, 120),
        Step("ruff format", [str(bin_dir / "ruff"), "format", "--check", "."], _ROOT, 120),
        Step("import rules", [str(bin_dir / "lint-imports")], _ROOT, 120),
        Step("mypy", [str(bin_dir / "mypy")], _ROOT, 600),
    ]


def _left_out(package: debian.SystemPackage) -> Outcome:
    return Outcome(package.name, True, 0.0, skipped=f"not installed, so {package.tests} are skipped (listed below)")


def _say(outcome: Outcome) -> Outcome:
    print(f"lab test: {outcome.line()}", flush=True)
    if not outcome.ok:
        print(outcome.output.rstrip(), flush=True)
    return outcome


def _pytest(arguments: list[str]) -> int:
    import pytest

    with ExitStack():
        return int(pytest.main(arguments))
