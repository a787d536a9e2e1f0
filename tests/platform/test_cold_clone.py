"""A fresh clone and one command, as a newcomer has them; the bootstrap on poorer machines."""

import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.platform.clients import Client
from tests.platform.running import ROOT, RunningPlatform, clean_environment

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout: nothing to clone")


@pytest.fixture
def clone() -> Iterator[Path]:
    """The committed project in a folder whose name has a space; with GraphiQL where this checkout has it built."""
    folder = Path(tempfile.mkdtemp(prefix="botberi-clone-", dir="/tmp"))
    folder.chmod(0o755)
    target = folder / "a clone"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{ROOT}", str(target)], check=True, timeout=120)
    yield target
    shutil.rmtree(folder, ignore_errors=True)


# What a start and the tests need is fetched first, where this machine hasn't cached it.
@pytest.mark.timeout(900)
async def test_one_command_from_a_fresh_clone(clone: Path) -> None:
    """Timed without the network's share where this machine has it cached; the first query is the table's own."""
    began = time.monotonic()
    # The folder is the default one; it is named here only for the fixture to look into.
    platform = RunningPlatform(
        command=[str(clone / "start")], state_dir=clone / ".botberi", cwd=Path("/"), default=True
    )
    try:
        platform.start(timeout=400)
        assert time.monotonic() - began < 180, "a first start takes less than three minutes"
        query = platform.output.lines[
            next(i for i, line in enumerate(platform.output.lines) if "A first query" in line) + 1
        ]
        async with Client(platform.url) as client:
            nodes = (await client.ask(query.strip()))["agents"]["nodes"]
            assert nodes
            platform.output.wait_for("GraphiQL is ready", 300)
            async with client.session.get(platform.url, headers={"accept": "text/html"}) as page:
                assert page.status == 200
                assert "graphiql" in (await page.text()).lower()
        assert platform.stop(signal.SIGINT) == 0
        status = subprocess.run(  # noqa: ASYNC221 - nothing else happens meanwhile
            ["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True, timeout=30
        )
        assert status.stdout == "", "what a start makes is ignored by git"

        command = [str(clone / "test"), "tests/botberi/test_settings.py", "-q"]
        checked = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=400, check=False)  # noqa: ASYNC221
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert re.search(r"\d+ passed.* in \d", checked.stdout.splitlines()[-1])

        again = RunningPlatform(
            command=[str(clone / "start")], state_dir=clone / ".botberi", cwd=Path("/"), default=True
        )
        try:
            again.start()
            first_time = ("installing", "making .venv", "building GraphiQL", "migrated from")
            done_again = [line for line in again.output.lines if any(word in line for word in first_time)]
            assert done_again == [], "what takes long is done once"
        finally:
            again.stop()
    finally:
        platform.stop()


def fake_python(folder: Path, body: str) -> dict[str, str]:
    """A PATH on which every python is a script that looks at its arguments first, and no uv is found."""
    programs = folder / "programs"
    programs.mkdir()
    script = programs / "python3"
    script.write_text("#!/bin/sh\n" + textwrap.dedent(body))
    script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    for name in (
        "sh",
        "dirname",
        "cat",
        "cksum",
        "mkdir",
        "rm",
        "sleep",
        "uname",
        "env",
        "ldd",
        "rmdir",
        "mktemp",
        "ln",
    ):
        if found := shutil.which(name):
            (programs / name).symlink_to(found)
    return clean_environment({"PATH": str(programs)})


def wait_for_the_rest(clone: Path) -> None:
    """Until the bootstrap has installed in the background what a start doesn't wait for."""
    deadline = time.monotonic() + 200
    while (clone / ".bootstrap-lock").exists():
        assert time.monotonic() < deadline, (clone / ".venv" / ".botberi-installing.log").read_text()
        time.sleep(0.1)
    assert not (clone / ".venv" / ".botberi-installing").exists()
    assert list((clone / ".venv").glob("lib/*/site-packages/sklearn"))


def start(clone: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [str(clone / "start"), "--help"]
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=300, check=False)


REAL = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else shutil.which("python3")


def installed_uv(clone: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The bootstrap's step that installs uv, alone; says uv's version."""
    script = 'set -eu; root=$PWD; . infra/bootstrap.sh; python=$(supported_python); install_uv; "$uv" --version'
    command = ["sh", "-c", script]
    return subprocess.run(command, env=environment, cwd=clone, capture_output=True, text=True, timeout=120, check=False)


def has(*arguments: str) -> bool:
    return subprocess.run([str(REAL), *arguments], capture_output=True, check=False).returncode == 0


#: What a python lacks -> what it must have for the way that is left.
WAYS = {
    "*ensurepip*": ("-m", "pip", "--version"),
    '*"-m pip"*': ("-c", "import ensurepip"),
    # pip's wheel is where `ensurepip` doesn't say; the environment that is made without it has it all the same.
    '"-m pip"*|*"import ensurepip, glob"*': ("-c", "import ensurepip, venv"),
}


@pytest.mark.parametrize(("lacking", "needed"), WAYS.items(), ids=["pip", "the wheel of ensurepip", "venv"])
def test_uv_is_installed_by_whatever_a_python_has(
    clone: Path, tmp_path: Path, lacking: str, needed: tuple[str, ...]
) -> None:
    if not has(*needed):
        pytest.skip(f"{REAL} cannot {' '.join(needed)}")
    body = f"""
        case "$*" in {lacking}) exit 1;; esac
        exec {REAL} "$@"
    """
    done = installed_uv(clone, fake_python(tmp_path, body))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("uv ")


def test_without_venv_and_pip_the_message_says_what_to_install(clone: Path, tmp_path: Path) -> None:
    body = f"""
        case "$*" in *ensurepip*|*"-m pip"*|*"-m virtualenv"*) exit 1;; esac
        exec {REAL} "$@"
    """
    done = start(clone, fake_python(tmp_path, body))
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr
    assert not (clone / ".bootstrap-lock").exists()


def test_a_python_that_is_too_old_is_an_error(clone: Path, tmp_path: Path) -> None:
    done = start(clone, fake_python(tmp_path, "exit 1"))
    assert done.returncode == 1
    assert "Python 3.11, 3.12, 3.13 or 3.14 is needed" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try another user")
def test_an_ordinary_user_can_start(clone: Path) -> None:
    """The bootstrap as an unprivileged user, in a folder of their own, with a home that can't be written."""
    for path in [clone, *clone.rglob("*")]:
        os.lchown(path, 65534, 65534)
    os.lchown(clone.parent, 65534, 65534)
    environment = clean_environment({"HOME": "/nonexistent", "UV_CACHE_DIR": str(clone / ".uv-cache")})
    environment["PATH"] = "/usr/local/bin:/usr/bin:/bin"
    environment = {name: value for name, value in environment.items() if not name.startswith("PYENV")}
    environment["GIT_CONFIG_COUNT"] = "0"
    done = subprocess.run(
        [str(clone / "start"), "--help"],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        user=65534,
        group=65534,
        extra_groups=[],
    )
    assert done.returncode == 0, done.stderr
    assert "Start the whole platform" in done.stdout
    wait_for_the_rest(clone)
    owners = {path.lstat().st_uid for path in (clone / ".venv").rglob("*")}
    assert owners == {65534}
