"""`./test`: system packages are named before they are installed; `--no-system-packages` lists the skipped tests."""

from pathlib import Path

import pytest

from lab.checks import chains, command, debian
from lab.checks.steps import Step


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine that lacks two packages, on which `apt-get` only notes what it was asked for; and no other checks."""
    there: list[str] = []

    def package(name: str, tests: str) -> debian.SystemPackage:
        return debian.SystemPackage(name, tests, lambda: name in there)

    def steps(packages: list[debian.SystemPackage], cwd: Path) -> list[Step]:
        there.extend(one.name for one in packages)
        return [Step("apt install", ["true"], cwd, 10)]

    monkeypatch.setattr(debian, "PACKAGES", (package("some-server", "tests of it"), package("a-browser", "its tests")))
    monkeypatch.setattr(debian, "can_install", lambda: True)
    monkeypatch.setattr(debian, "install_steps", steps)
    monkeypatch.setattr(command, "_linters", list)
    monkeypatch.setattr(command, "_pytest", lambda arguments: 0)
    return there


def test_packages_are_named_and_installed(installed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run([]) == 0
    assert installed == ["some-server", "a-browser"]
    said = capsys.readouterr().out
    assert said.index("some-server") < said.index("apt install"), "what is installed is said before it happens"
    assert "for tests of it" in said
    assert "--no-system-packages" in said
    assert "skipped" not in said


def test_without_system_packages_nothing_is_installed_and_what_is_skipped_is_listed(
    installed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run(["--no-system-packages"]) == 0
    assert installed == []
    said = capsys.readouterr().out
    assert "some-server    skipped: not installed, so tests of it are skipped" in said
    assert "a-browser      skipped: not installed, so its tests are skipped" in said


def test_other_arguments_go_to_pytest_alone(
    installed: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[str]] = []
    monkeypatch.setattr(command, "_pytest", lambda arguments: given.append(arguments) or 0)
    assert command.run(["--no-system-packages", "gateway/tests", "-k", "plan"]) == 0
    assert given == [["gateway/tests", "-k", "plan"]]
    assert installed == []


def test_one_part_alone(installed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[list[str]] = []
    monkeypatch.setattr(command, "_pytest", lambda arguments: given.append(arguments) or 0)
    assert command.run(["--only", "gateway", "-k", "plan"]) == 0
    assert given.pop()[-3:] == ["gateway/tests", "-k", "plan"]
    assert command.run(["--only", "unit", "-x"]) == 0
    (unit,) = given
    assert {"tests", "gateway/tests", "-x", "--ignore=tests/platform/", "--ignore=tests/packaging/"} <= set(unit)
    assert installed == [], "a part installs no system package"


def test_a_part_of_steps_runs_those_and_no_tests(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [Step("ruff check", ["false"], command._ROOT, 10), Step("mypy", ["true"], command._ROOT, 10)]
    monkeypatch.setattr(command, "_linters", lambda: steps)
    monkeypatch.setattr(command, "_pytest", lambda _: pytest.fail("no tests are asked for"))
    assert command.run(["--only", "types"]) == 0
    assert "ruff" not in capsys.readouterr().out
    assert command.run(["--only", "lint"]) == 1
    assert "ruff check     FAILED" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [["--only"], ["--only", "everything"], ["--only", "types", "-x"]])
def test_a_wrong_part_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(wrong) == 2
    assert "--only" in capsys.readouterr().err


def test_the_parts_are_of_steps_that_exist_and_cover_every_test() -> None:
    names = {step.name for step in command._linters()}
    assert {name for steps in command._STEPS.values() for name in steps} == names
    for folder in chains.ALONE:
        assert (command._ROOT / folder).is_dir(), folder


def test_the_tests_that_need_no_quiet_machine_exist_and_run_beside_others() -> None:
    for file in chains.BESIDE:
        assert (command._ROOT / file).is_file(), file
        assert file.startswith(chains.ALONE), f"{file} runs beside others anyway"
        assert not chains.is_alone(f"{file}::test_x")
    assert chains.is_alone("tests/platform/test_services.py::test_x")
    assert not chains.is_alone("tests/subgraphs/test_schema.py::test_x")
