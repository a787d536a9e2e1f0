"""The metrics pages of several processes -> one page. Whichever process is scraped answers for all."""

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

#: How long another process may take to send its page.
_TIMEOUT_SECONDS: Final = 2.0
#: Pause between copies of this process's page: the last copy is what remains of a process that dies.
_COPY_INTERVAL_SECONDS: Final = 2.0


def merge(pages: Iterable[bytes], ended: Iterable[bytes] = ()) -> bytes:
    """One page from many: equal samples are added. Of processes that have ended, only counters are kept."""
    families: dict[str, tuple[list[str], dict[str, float]]] = {}
    for page in pages:
        _add(page, families, keep_gauges=True)
    for page in ended:
        _add(page, families, keep_gauges=False)
    lines: list[str] = []
    for head, samples in families.values():
        lines += head
        lines += (f"{name} {value!r}" for name, value in samples.items())
    return "\n".join((*lines, "")).encode()


def _add(page: bytes, families: dict[str, tuple[list[str], dict[str, float]]], *, keep_gauges: bool) -> None:
    head: list[str] = []
    samples: dict[str, float] = {}
    keep = True
    for line in page.decode().splitlines():
        if line.startswith("# HELP "):
            head, samples = families.setdefault(line.split(" ", 3)[2], ([], {}))
            if not head:
                head.append(line)
        elif line.startswith("# TYPE "):
            if len(head) < 2:
                head.append(line)
            keep = keep_gauges or not line.endswith(" gauge")
        elif line and keep:
            name, _, value = line.rpartition(" ")
            samples[name] = samples.get(name, 0.0) + float(value)


class SharedPages:
    """One process's part in the common page: it sends its own to the others, over sockets in a private folder."""

    def __init__(self, folder: Path, own_page: Callable[[], bytes]) -> None:
        self._folder = folder
        self._own = own_page
        self._name = str(os.getpid())
        self._server: asyncio.Server | None = None
        self._saver: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, and save a copy of the page every two seconds, for when this process has ended."""
        self._server = await asyncio.start_unix_server(self._answer, self._folder / f"{self._name}.sock")
        self._saver = asyncio.get_running_loop().create_task(self._save_often())

    async def _answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._own())
        await writer.drain()
        writer.close()

    async def _save_often(self) -> None:
        while True:
            self._save()
            await asyncio.sleep(_COPY_INTERVAL_SECONDS)

    def _save(self) -> None:
        path = self._folder / f"{self._name}.prom"
        try:
            path.with_suffix(".new").write_bytes(self._own())
            path.with_suffix(".new").replace(path)
        except OSError as error:
            logger.warning("the page of metrics can't be saved: %s", error.strerror)

    async def page(self) -> bytes:
        """The common page of all processes."""
        names = {path.stem for path in self._folder.glob("*.prom")} - {self._name}
        pages = await asyncio.gather(*map(self._ask, sorted(names)))
        ended = [
            (self._folder / f"{name}.prom").read_bytes()
            for name, page in zip(sorted(names), pages, strict=True)
            if page is None
        ]
        return merge([self._own(), *(page for page in pages if page is not None)], ended)

    async def _ask(self, name: str) -> bytes | None:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self._folder / f"{name}.sock")
                try:
                    return await reader.read()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return None

    async def stop(self) -> None:
        """Save the last copy and stop listening."""
        if self._saver is not None:
            self._saver.cancel()
        if self._server is not None:
            self._server.close()
            (self._folder / f"{self._name}.sock").unlink(missing_ok=True)
        self._save()
