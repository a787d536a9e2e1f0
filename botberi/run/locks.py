"""Part names and a folder -> a lock each, so that a second start of a running part learns which process runs it."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from botberi.run.errors import StartError
from shared_schema.private import make_private_folder


@contextlib.contextmanager
def hold(folder: Path, names: Sequence[str], where: str) -> Iterator[None]:
    """Hold the locks of all parts named, or raise `StartError` that names the process which runs one of them.

    The kernel frees a lock with its process, so none is ever stale.
    """
    make_private_folder(folder)
    with contextlib.ExitStack() as held:
        for name in sorted(names):
            file = os.fdopen(os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600), "r+")
            held.enter_context(file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StartError(_who(name, file.read())) from None
            file.truncate(0)
            json.dump({"pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S"), "where": where}, file)
            file.flush()
        yield


def _who(name: str, text: str) -> str:
    try:
        holder: dict[str, Any] = json.loads(text)
        holder_text = f"process {holder['pid']}, since {holder['since']}, {holder['where']}"
    except (ValueError, KeyError, TypeError):
        holder_text = "it is starting right now"
    return (
        f"Botberi's {name} is already running from this folder ({holder_text}). "
        "Stop it with Ctrl-C where it runs, or give this one another folder with --state-dir and other ports."
    )
