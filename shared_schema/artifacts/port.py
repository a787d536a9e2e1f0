"""A storage of files: it takes one under a key, forgets it, and gives an address under which it is read for a while."""

import re
from pathlib import Path
from typing import Final, Protocol

#: Names that mean the same everywhere: no folders, no hidden files, nothing to escape.
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
CONTENT_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*(; charset=utf-8)?", re.ASCII)
MAX_CONTENT_TYPE: Final = 120


class StorageError(Exception):
    """The storage didn't take, find or remove a file; trying again may help."""

    code = "STORAGE"


class Storage(Protocol):
    """Synchronous: it is used by workers, and by the reaper in a thread."""

    def put(self, key: str, file: Path, content_type: str, name: str) -> None:
        """Keep a copy of the file; what was under the key before is replaced. Raises `StorageError`."""

    def fetch(self, key: str, file: Path) -> bool:
        """Write what is under the key to a file; False if nothing is. Raises `StorageError`."""

    def delete(self, key: str) -> None:
        """Forget what is under the key, if anything is. Raises `StorageError`."""

    def url(self, key: str, content_type: str, name: str, seconds: int, *, base_url: str | None = None) -> str:
        """An address that any holder may read the file by for so many seconds. Sends no request and reads no file.

        `base_url` is the address by which the client reached the gateway, for a storage whose files the gateway hands
        out and that has no public URL of its own.
        """
