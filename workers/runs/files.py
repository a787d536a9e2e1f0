"""The files in a run's folder -> the storage, under keys of this attempt, each noted in the row's database first.

A file counts once its attempt has succeeded (`RunStore.finish`); what was stored and doesn't count is removed later
(`runs.janitor`). Noting comes before storing, so that no row is missing for a stored file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from shared_schema.artifacts import Storage
from shared_schema.artifacts.port import CONTENT_TYPE, MAX_CONTENT_TYPE, NAME
from shared_schema.ids import new_id
from workers.runs.store import Claim, RunStore

FALLBACK_TYPE = "application/octet-stream"


class FileRefused(Exception):
    """A file that breaks a limit; the message is for the run's owner."""


@dataclass(slots=True)
class RunFolder:
    """A folder for one attempt's files, gone with it."""

    max_bytes: int
    max_files: int
    path: Path = field(init=False)
    _types: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.path = Path(tempfile.mkdtemp(prefix="botberi-run-"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def order(self) -> dict[str, Any]:
        """Instructions for the run's process."""
        return {"path": str(self.path), "max_bytes": self.max_bytes, "max_files": self.max_files}

    def note(self, message: Mapping[str, Any]) -> None:
        """The process says that a file is there."""
        name, content_type = str(message["name"]), str(message["content_type"])
        if not NAME.fullmatch(name) or len(self._types.keys() | {name}) > self.max_files:
            raise FileRefused(f"A run makes {self.max_files} files with plain names at most.")
        known = len(content_type) <= MAX_CONTENT_TYPE and CONTENT_TYPE.fullmatch(content_type)
        self._types[name] = content_type if known else FALLBACK_TYPE

    def __bool__(self) -> bool:
        return bool(self._types)

    def store(self, claim: Claim, runs: RunStore, storage: Storage) -> None:
        """Note and store every file. Raises `FileRefused`, `StorageError`, `Fenced`, and the database's errors."""
        for name, content_type in self._types.items():
            file = self.path / name
            size, digest = self._read(file)
            attempt = claim.run.attempt
            artifact_id = new_id()
            # The id parts two attempts that should be one, after a database was set back say.
            key = f"instances/{claim.run.instance_id}/{attempt}/{artifact_id}/{name}"
            noted = runs.note_file(
                claim, artifact_id, name=name, content_type=content_type, size=size, sha256=digest, key=key
            )
            storage.put(noted, file, content_type, name)

    def _read(self, file: Path) -> tuple[int, bytes]:
        # The workflow's process is not trusted: no link leads out of the folder.
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as error:
            raise FileRefused(f"The file {file.name} is not there.") from error
        with os.fdopen(descriptor, "rb") as opened:
            about = os.fstat(opened.fileno())
            if not stat.S_ISREG(about.st_mode) or about.st_size > self.max_bytes:
                raise FileRefused(f"The file {file.name} has {about.st_size} bytes; {self.max_bytes} at most.")
            return about.st_size, hashlib.file_digest(opened, "sha256").digest()
