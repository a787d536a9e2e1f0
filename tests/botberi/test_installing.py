"""The worker waits for packages that the bootstrap still installs, and says why when they don't come."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from botberi.run import installing
from botberi.run.errors import StartError


class Files:
    """The files by which the bootstrap says what it is doing."""

    def __init__(self, folder: Path) -> None:
        self.marker, self.log = folder / "installing", folder / "installing.log"

    def write(self, installer: str, log: str = "") -> None:
        self.marker.write_text(installer)
        self.log.write_text(log)

    def finish(self) -> None:
        self.marker.unlink()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    files = Files(tmp_path)
    monkeypatch.setattr(installing, "_MARKER", files.marker)
    monkeypatch.setattr(installing, "_LOG", files.log)
    return files


async def test_a_complete_installation_is_not_waited_for(files: Files) -> None:
    assert not installing.is_pending()
    await asyncio.wait_for(installing.until_installed(), 1)


@pytest.mark.parametrize("installer", ["", str(os.getppid())], ids=["not known yet", "known"])
async def test_it_waits_until_the_installer_is_done(files: Files, installer: str) -> None:
    files.write(installer)
    assert installing.is_pending()
    waiting = asyncio.create_task(installing.until_installed())
    await asyncio.sleep(0.3)
    assert not waiting.done()
    files.finish()
    await asyncio.wait_for(waiting, 5)


async def test_an_installer_that_failed_is_reported_with_its_words(files: Files) -> None:
    # A child that has not been waited for, as the installer is of the process that ./start became.
    process = subprocess.Popen(["sh", "-c", "exit 2"])  # noqa: ASYNC220 - it ends at once
    files.write(str(process.pid), "error: no such index")
    with pytest.raises(StartError, match=r"(?s)not installed: error: no such index.*Run \./start again"):
        await asyncio.wait_for(installing.until_installed(), 10)


async def test_an_installer_that_was_killed_is_reported(files: Files) -> None:
    process = subprocess.Popen(["sh", "-c", "exit 0"])  # noqa: ASYNC220 - it ends at once
    process.wait()
    files.write(str(process.pid))
    with pytest.raises(StartError, match="interrupted"):
        await asyncio.wait_for(installing.until_installed(), 10)
