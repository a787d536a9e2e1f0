"""Folders and files with people's data or secrets -> readable by the user that runs the platform alone."""

import os
import secrets
from pathlib import Path
from typing import BinaryIO, Final

FOLDER: Final = 0o700
FILE: Final = 0o600


def make_private_folder(folder: Path, mode: int = FOLDER) -> None:
    """Make a folder and those above it that are missing, each for its owner alone. Raises `OSError`."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        # The mode is given at once: a folder that is closed a moment later was open for that moment.
        each.mkdir(mode=mode, exist_ok=True)


def open_private(file: Path, *, append: bool = False) -> BinaryIO:
    """Open a file to write, for its owner alone; one that others could read is closed to them. Raises `OSError`."""
    how = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
    opened = os.fdopen(os.open(file, how, FILE), "ab" if append else "wb")
    os.fchmod(opened.fileno(), FILE)
    return opened


def load_or_make_secret(file: Path) -> bytes:
    """Return 32 random bytes that all processes with this file share; they are made where it is missing."""
    make_private_folder(file.parent)
    if not file.exists():
        part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
        part.touch(mode=FILE)
        part.write_bytes(secrets.token_bytes(32))
        try:
            # Of several that make one at once the first stays.
            os.link(part, file)
        except FileExistsError:
            pass
        finally:
            part.unlink()
    return file.read_bytes()
