"""A coroutine that was begun by hand, as it may end without waiting -> the rest of it, to be awaited.

Most messages are written at once: they need no task that writes, and no timeout.
"""

import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any


@types.coroutine
def rest_of(work: Coroutine[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, Any]:
    """Go on with a coroutine that has been begun and waits."""
    while True:
        try:
            value = yield waits_for
        except BaseException as error:
            step: Callable[[Any], Any] = work.throw
            argument: Any = error
        else:
            step, argument = work.send, value
        try:
            waits_for = step(argument)
        except StopIteration as end:
            return end.value
