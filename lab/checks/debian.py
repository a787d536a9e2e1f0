"""This machine -> the Debian packages that the tests lack, and the steps that install them."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.checks.steps import Step
from lab.faults import clock

RABBITMQ_SERVER: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


@dataclass(frozen=True, slots=True)
class SystemPackage:
    """A Debian package, the tests that are skipped without it, and how to see whether they have what they need."""

    name: str
    tests: str
    is_there: Callable[[], bool]


def chromium() -> str | None:
    """The browser that the GraphiQL tests drive."""
    named = os.environ.get("BOTBERI_TEST_CHROMIUM")
    if named:
        return shutil.which(named)
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )


def _has_rabbitmq() -> bool:
    return bool(os.environ.get("BOTBERI_TEST_AMQP_URL")) or shutil.which(str(RABBITMQ_SERVER)) is not None


def nginx() -> str | None:
    """The program that checks and runs our nginx.conf; Debian keeps it off an ordinary user's PATH."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


PACKAGES: Final = (
    SystemPackage("rabbitmq-server", "tests over RabbitMQ (or set BOTBERI_TEST_AMQP_URL)", _has_rabbitmq),
    SystemPackage("chromium", "tests in a browser", lambda: chromium() is not None),
    SystemPackage("nginx", "tests through nginx", lambda: nginx() is not None),
    SystemPackage("prometheus", "tests of rules, and of the full stack", lambda: shutil.which("promtool") is not None),
    SystemPackage("libfaketime", "tests with wrong clocks", lambda: clock.library() is not None),
)


def missing() -> list[SystemPackage]:
    """Packages without which tests are skipped."""
    return [package for package in PACKAGES if not package.is_there()]


def can_install() -> bool:
    """True if packages can be installed here: Debian or its kin, and root."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_steps(packages: Sequence[SystemPackage], cwd: Path) -> list[Step]:
    """apt-get, without questions, without what is only recommended, and without starting the servers."""
    # RUNLEVEL=1: Debian's packages start their servers otherwise, on ports that the tests or others may want.
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive", RUNLEVEL="1")
    # Another apt (an automatic upgrade) may hold the lock for a while.
    wait = ["-o", "DPkg::Lock::Timeout=300"]
    names = [package.name for package in packages]
    return [
        Step("apt update", ["apt-get", "-qq", *wait, "update"], cwd, 300, env),
        Step(
            "apt install", ["apt-get", "-qq", "-y", *wait, "install", "--no-install-recommends", *names], cwd, 600, env
        ),
    ]
