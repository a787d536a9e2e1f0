"""The configuration is read again: on SIGHUP, and when its files change. What can't be used is refused as a whole."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botberi_gateway.config import GatewayConfig
from botberi_gateway.config.problem import ConfigError

if TYPE_CHECKING:
    from botberi_gateway.config.load import Loaded

logger = logging.getLogger(__name__)

_WATCH_INTERVAL_SECONDS: Final = 1.0

#: Takes a configuration into use. Returns why it can't be, or None.
Apply = Callable[[GatewayConfig], Awaitable[str | None]]


@dataclass(slots=True)
class ReloadStatus:
    """How the last reading of the configuration went."""

    #: Why the newest configuration isn't in use, or None.
    refused: str | None = None
    applied: int = 0
    refusals: int = 0

    def warnings(self) -> dict[str, str]:
        """What `/ready` says beside `ready`, to anybody: the log says why."""
        return {} if self.refused is None else {"configuration": "the newest one is refused, the log says why"}


class Reloader:
    """Reads the configuration again and has it applied, or keeps the present one."""

    def __init__(self, loaded: "Loaded", read: Callable[[], "Loaded"]) -> None:
        """`read` does what made `loaded`, and raises `ConfigError`."""
        self.status = ReloadStatus()
        self._loaded = loaded
        self._read = read
        self._seen = _marks(loaded.files)
        self._asked = asyncio.Event()

    @property
    def config(self) -> GatewayConfig:
        """The configuration that is in use."""
        return self._loaded.config

    def ask(self) -> None:
        """Have the configuration read again, whether its files have changed or not."""
        self._asked.set()

    async def run(self, apply: Apply) -> None:
        """Wait for signals and changes until this is cancelled."""
        while True:
            interval = _WATCH_INTERVAL_SECONDS if self._loaded.config.watch else None
            try:
                async with asyncio.timeout(interval):
                    await self._asked.wait()
            except TimeoutError:
                marks = await asyncio.to_thread(_marks, self._loaded.files)
                if marks == self._seen:
                    continue
            self._asked.clear()
            await self._reload(apply)

    async def _reload(self, apply: Apply) -> None:
        self._seen = await asyncio.to_thread(_marks, self._loaded.files)
        try:
            loaded = await asyncio.to_thread(self._read)
        except ConfigError as error:
            self._refuse(str(error))
            return
        try:
            problem = await apply(loaded.config)
        except Exception:
            logger.exception("a configuration could not be taken into use")
            problem = "It could not be taken into use."
        if problem is not None:
            self._refuse(problem)
            return
        late = needing_restart(self._loaded.config, loaded.config)
        if late:
            logger.warning("these settings take effect when the gateway starts again: %s", ", ".join(late))
        # A file that is named now for the first time is watched from now on.
        self._loaded, self._seen = loaded, await asyncio.to_thread(_marks, loaded.files)
        self.status.refused = None
        self.status.applied += 1
        logger.info("the configuration was read again and is in use")

    def _refuse(self, reason: str) -> None:
        self.status.refused = reason
        self.status.refusals += 1
        logger.error("the configuration is refused, the present one stays:\n%s", reason)


def needing_restart(old: Any, new: Any, path: str = "") -> list[str]:
    """The paths of settings that differ and can't change in a running process."""
    late: list[str] = []
    for declared in fields(old):
        below = f"{path}.{declared.name}".lstrip(".")
        before, after = getattr(old, declared.name), getattr(new, declared.name)
        if is_dataclass(before) and is_dataclass(after):
            late += needing_restart(before, after, below)
        elif before != after and declared.metadata.get("restart"):
            late.append(below)
    return late


def _marks(files: Any) -> dict[Path, tuple[int, int, int] | None]:
    """What differs between two states of the files."""
    marks: dict[Path, tuple[int, int, int] | None] = {}
    for file in files:
        try:
            status = file.stat()
            marks[file] = status.st_ino, status.st_size, status.st_mtime_ns
        except OSError:
            marks[file] = None
    return marks
