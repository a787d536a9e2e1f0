"""A cancellation that no caller asked of this task -> an ordinary failure.

A library that loses its connection cancels the futures on which its callers wait. To them that looks as if
they had been asked to end, and a loop that believes it ends for good.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cancelled_only_if_asked() -> Iterator[None]:
    """Raise `ConnectionError` where what is awaited was cancelled from within."""
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionError("what it waited for was cancelled from within") from error
