"""Sets of conditions -> programs, each compiled when it is first asked for; or why there is none."""

import logging
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from gateway.executor.compiled.shape import Conditions
from gateway.executor.compiled.source import Unsupported

logger = logging.getLogger(__name__)

ProgramT = TypeVar("ProgramT")

#: Sets of conditions that one operation is compiled for. Operations with more in use are rare; the interpreter takes what is beyond.
MAX_VARIANTS: Final = 16


class Variants(Generic[ProgramT]):
    """Of one plan. `write` compiles for a set of conditions, and may raise `Unsupported`."""

    def __init__(self, write: Callable[[Conditions], ProgramT]) -> None:
        self._write = write
        self._programs: dict[tuple[bool, ...], ProgramT | str] = {}

    def get(self, conditions: Conditions) -> ProgramT | str:
        """For these conditions, always given in one order. A text says why there is no program."""
        values = tuple(conditions.values())
        program = self._programs.get(values)
        if program is None:
            if len(self._programs) >= MAX_VARIANTS:
                return "more sets of conditions than are compiled"
            program = self._programs[values] = self._compile(conditions)
        return program

    def _compile(self, conditions: Conditions) -> ProgramT | str:
        try:
            return self._write(conditions)
        except Unsupported as reason:
            return str(reason)
        except Exception:
            # The interpreter answers as well; an operator finds the count and this line.
            logger.exception("compiling a plan failed")
            return "a fault of the compiler"
