"""Packages that the bootstrap installs while the platform starts -> the moment when they are there."""

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Final

from botberi.run.errors import StartError

logger = logging.getLogger(__name__)

#: Has the id of the process that installs, until it is done (infra/bootstrap.sh writes both files).
_MARKER: Final = Path(sys.prefix) / ".botberi-installing"
_LOG: Final = Path(sys.prefix) / ".botberi-installing.log"
_INTERVAL_SECONDS: Final = 0.1
_MAX_SHOWN: Final = 2000


def is_pending() -> bool:
    """Return whether packages are missing that the bootstrap has begun to install."""
    return _MARKER.exists()


async def until_installed() -> None:
    """Wait for the packages. Raises `StartError` when the process that installed them ended without them."""
    if is_pending():
        logger.info("waits for its libraries, which are still being installed")
    while (pid := _installer()) is not None:
        if not _is_alive(pid) and is_pending():
            reason = _LOG.read_text(errors="replace").strip()[-_MAX_SHOWN:] if _LOG.exists() else ""
            raise StartError(
                f"The agents' libraries were not installed: {reason or 'that was interrupted'}\nRun ./start again."
            )
        await asyncio.sleep(_INTERVAL_SECONDS)


def _installer() -> int | None:
    """The process that installs; 0 while it is not known yet, None when there is nothing to wait for."""
    try:
        return int(_MARKER.read_text() or 0)
    except FileNotFoundError:
        return None


def _is_alive(pid: int) -> bool:
    if not pid:
        return True
    try:
        # It is a child of this process where ./start became it.
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
