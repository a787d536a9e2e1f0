"""What the commands share: reading files, running async work, ending with a sentence and a status."""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import typer

#: Exit statuses, beside 0. 2 is also what typer itself says for wrong options.
INVALID_GRAPH: Final = 1
BAD_INPUT: Final = 2
PORT_TAKEN: Final = 3

T = TypeVar("T")


def fail(status: int, message: str) -> NoReturn:
    """End the command; the sentence goes to standard error."""
    typer.echo(message, err=True)
    raise typer.Exit(status)


def read(path: Path) -> str:
    """A text file, or standard input for `-`."""
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")
    except OSError as error:
        fail(BAD_INPUT, f"{path} can't be read: {error.strerror}.")
    except UnicodeDecodeError:
        fail(BAD_INPUT, f"{path} is not UTF-8 text.")


def write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        fail(BAD_INPUT, f"{path} can't be written: {error.strerror}.")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, on uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)
