"""This machine -> the programs of Debian's packages that the full stack runs, or an error that says what to install."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from botberi.run.errors import StartError

#: Debian's packages -> the program of each. Some folders are on no ordinary user's PATH.
_PACKAGES: Final[Mapping[str, str]] = {
    "rabbitmq-server": "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "nginx-light": "nginx",
    "prometheus": "prometheus",
}
_FOLDERS: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def missing() -> list[str]:
    """Packages whose program is not here."""
    return [package for package, program in _PACKAGES.items() if _find(program) is None]


def find(package: str) -> Path:
    """The program of a package. Raises `StartError`."""
    found = _find(_PACKAGES[package])
    if found is None:
        raise StartError(
            f"--stack full needs {', '.join(missing())}: `apt-get install {' '.join(missing())}` (Debian and its kin)."
        )
    return found


def _find(program: str) -> Path | None:
    found = shutil.which(program) or shutil.which(program, path=_FOLDERS)
    return Path(found) if found else None
