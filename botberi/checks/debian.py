"""This machine -> the Debian packages that the tests lack, and the steps that install them."""

import os
import shutil
from pathlib import Path
from typing import Final

from botberi.checks.steps import Step
from botberi.faults import clock

RABBITMQ_SERVER: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
#: What tests need -> the package that has it.
_NEEDED: Final = {"rabbitmq": "rabbitmq-server", "browser": "chromium", "wrong clocks": "libfaketime"}


def chromium() -> str | None:
    """The browser that the GraphiQL tests drive."""
    named = os.environ.get("BOTBERI_TEST_CHROMIUM")
    if named:
        return shutil.which(named)
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )


def has(what: str) -> bool:
    """Whether the tests of `what` have what they need."""
    if what == "browser":
        return chromium() is not None
    if what == "wrong clocks":
        return clock.library() is not None
    return shutil.which(str(RABBITMQ_SERVER)) is not None


def missing() -> list[str]:
    """Packages that would have to be installed."""
    wanted = [package for what, package in _NEEDED.items() if not has(what)]
    if os.environ.get("BOTBERI_TEST_AMQP_URL") and "rabbitmq-server" in wanted:
        wanted.remove("rabbitmq-server")
    return wanted


def can_install() -> bool:
    """Whether packages can be installed here: Debian or its kin, and root."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_steps(packages: list[str], cwd: Path) -> list[Step]:
    """apt-get, without questions and without what is only recommended."""
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    # Another apt (an automatic upgrade) may hold the lock for a while.
    wait = ["-o", "DPkg::Lock::Timeout=300"]
    return [
        Step("apt update", ["apt-get", "-qq", *wait, "update"], cwd, 300, env),
        Step(
            "apt install",
            ["apt-get", "-qq", "-y", *wait, "install", "--no-install-recommends", *packages],
            cwd,
            600,
            env,
        ),
    ]
