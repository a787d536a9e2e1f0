"""This machine's Docker -> whether it can run compose.yaml, and the images that it needs, pulled or stood in for."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[2]
_STAND_INS: Final = _ROOT / "lab/containers/standins.sh"
#: Debian's engine has the older builder alone where no buildx is installed.
_BUILD_SECONDS: Final = 1800


def problem() -> str | None:
    """Why containers can't be tried here, in one line; None where they can."""
    if shutil.which("docker") is None:
        return "docker is not installed (docs/operations/compose.md says how to get an engine)"
    for command, advice in (
        (["docker", "info"], "no Docker engine answers (docs/operations/compose.md says how to get one)"),
        (["docker", "compose", "version"], "Docker's plug-in compose is not installed (docs/operations/compose.md)"),
    ):
        if subprocess.run(command, capture_output=True, timeout=60, check=False).returncode != 0:
            return advice
    return None


def has_image(name: str) -> bool:
    """True if the engine has it."""
    return _works("docker", "image", "inspect", name)


def _pull(name: str) -> bool:
    return _works("docker", "pull", "-q", name)


def _works(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, timeout=600, check=False).returncode == 0


def base_of(dockerfile: str) -> str:
    """The image that a Dockerfile builds on."""
    [base] = {line.split()[1] for line in (_ROOT / dockerfile).read_text().splitlines() if line.startswith("FROM ")}
    return base


def obtain(images: Iterable[str]) -> set[str]:
    """Pull the images that are missing, or make stand-ins; return those that are there then."""
    missing = [image for image in images if not has_image(image) and not _pull(image)]
    if missing and shutil.which("mmdebstrap") is not None:
        kinds = {"python" if image.startswith("python:") else "services" for image in missing}
        for kind in sorted(kinds):
            subprocess.run([str(_STAND_INS), kind], env=environment(), timeout=_BUILD_SECONDS, check=True)
    return {image for image in images if has_image(image)}


def environment() -> dict[str, str]:
    """Environment in which images are built: the older builder where the newer one's plug-in is missing."""
    has_buildx = subprocess.run(["docker", "buildx", "version"], capture_output=True, timeout=60, check=False)
    return dict(os.environ) if has_buildx.returncode == 0 else dict(os.environ, DOCKER_BUILDKIT="0")


def build(tag: str, dockerfile: str) -> None:
    """Build one of our images; raises `subprocess.CalledProcessError` with what the build said."""
    command = ["docker", "build", "-q", "--network=host", "-t", tag, "-f", dockerfile, "."]
    subprocess.run(command, cwd=_ROOT, env=environment(), timeout=_BUILD_SECONDS, check=True)
