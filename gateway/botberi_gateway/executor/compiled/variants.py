"""Sets of conditions -> programs, each compiled when it is first asked for; or why there is none."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

from botberi_gateway.executor.compiled.source import Unsupported
from botberi_gateway.executor.shape import Conditions

logger = logging.getLogger(__name__)

#: Sets of conditions that an operation is compiled for, however long its programs are.
MIN_VARIANTS: Final = 16
#: Beyond them it is compiled for more while all its programs together have no more lines: an operation of some hundred
#: lines has room for
#: every set of six conditions, and none takes more memory than one operation may take that is as long as a program can
#: be.
MAX_LINES: Final = 20_000
#: Lines of the programs of all operations together, in one process; about 300 bytes each. Where they are used up an
#: operation has the first
#: of its programs, and the interpreter for other sets of conditions: a client that asks for every set of every
#: operation fills no memory.
MAX_LINES_IN_PROCESS: Final = 200_000
#: Uses of an operation after which they count half: what was asked for lately counts most.
_HALF_LIFE: Final = 4_096
#: Sets without a program whose uses are counted.
_MAX_WAITING: Final = 1_024
#: Programs that were compiled in a thread and wait to be taken.
_MAX_AHEAD: Final = 4

#: Runs a function in a thread.
Submit: TypeAlias = Callable[[Callable[[], Any]], "asyncio.Future[Any]"]


class Compiler(Protocol):
    """Who compiles the programs of one operation, and from which run on."""

    #: Runs of an operation, with one set of conditions, that are interpreted.
    max_interpreted_runs: int
    #: Runs after which a program over typed answers is compiled, too.
    max_untyped_runs: int

    def later(self, work: Callable[[], Any], then: Callable[[Any], None]) -> bool:
        """Call `work` in a thread when there is time for it, and `then` with its result, on the event loop.

        False where too much waits already: it isn't called then.
        """
        ...

    def now(self, work: Callable[[], Any]) -> "asyncio.Future[Any]":
        """Call `work` in a thread as soon as one is free. Raises `GatewayError` where too much waits already."""
        ...


class _Written(Protocol):
    @property
    def lines(self) -> int: ...


@dataclass(slots=True)
class _Room:
    """Of all operations of this process."""

    lines: int = 0


_room: Final = _Room()

ProgramT = TypeVar("ProgramT", bound=_Written)


class Variants(Generic[ProgramT]):
    """Of one plan. `write` compiles for a set of conditions, and may raise `Unsupported`.

    Where there is no room for more programs, a set that is asked for more than twice as often as another takes the
    other's place.
    """

    def __init__(self, write: Callable[[Conditions], ProgramT]) -> None:
        self._write = write
        self._programs: dict[tuple[bool, ...], ProgramT | str] = {}
        self._lines = 0
        #: Once there is no room: how often each set was asked for, with a program and without; and how often in all.
        self._uses: dict[tuple[bool, ...], int] | None = None
        self._waiting: dict[tuple[bool, ...], int] = {}
        self._asked = 0
        #: Being compiled in a thread, and compiled there but not taken yet.
        self._compiling: dict[tuple[bool, ...], asyncio.Future[ProgramT | str]] = {}
        self._ahead: dict[tuple[bool, ...], ProgramT | str] = {}
        #: Sets whose programs are to be compiled when there is time; and how often each set was run without.
        self._queued: set[tuple[bool, ...]] = set()
        self._runs: dict[tuple[bool, ...], int] = {}

    def made(self, conditions: Conditions) -> ProgramT | str | None:
        """The program that is there already, without counting; None where `get` would have to look further."""
        return self._programs.get(tuple(conditions.values())) if self._uses is None else None

    def after_first_runs(self, conditions: Conditions, compiler: Compiler) -> ProgramT | str | None:
        """As `get`, but never compiles on the event loop: None for a run that the interpreter takes meanwhile."""
        values = tuple(conditions.values())
        if values in self._programs or values in self._ahead:
            return self.get(conditions)
        runs = self._runs.get(values, 0) + 1
        if runs <= compiler.max_interpreted_runs:
            if len(self._runs) >= _MAX_WAITING:
                self._runs.clear()
            self._runs[values] = runs
            return None
        if values in self._queued:
            return None
        if not self._is_worth_a_program(values):
            return self.get(conditions)
        if compiler.later(partial(self._compile, dict(conditions)), partial(self._compiled_later, values)):
            self._queued.add(values)
        return None

    def ahead(self, conditions: Conditions, submit: Submit) -> "asyncio.Future[Any] | None":
        """What `get` would compile on the loop, compiled through `submit` in the meantime: wait for it.

        None where nothing is to be done.
        """
        values = tuple(conditions.values())
        if values in self._programs or values in self._ahead:
            return None
        future = self._compiling.get(values)
        if future is None and self._is_worth_a_program(values):
            future = self._compiling[values] = submit(partial(self._compile, dict(conditions)))
            future.add_done_callback(partial(self._compiled, values))
        return future

    def get(self, conditions: Conditions) -> ProgramT | str:
        """For these conditions, always given in one order. A text says why there is no program."""
        values = tuple(conditions.values())
        program = self._programs.get(values)
        if self._uses is not None:
            self._count(values, self._uses if program is not None else self._waiting)
        if program is None:
            if not self._make_room(values):
                return "more sets of conditions than are compiled"
            program = self._ahead.pop(values) if values in self._ahead else self._compile(conditions)
            self._programs[values] = program
            self._take(_length(program))
        return program

    @property
    def lines(self) -> int:
        """Of all programs that there are now."""
        return self._lines

    def _take(self, lines: int) -> None:
        self._lines += lines
        _room.lines += lines

    def __del__(self) -> None:
        _room.lines -= self._lines

    def forget(self) -> None:
        """All programs: `write` would give others now."""
        self._programs.clear()
        self._ahead.clear()
        self._waiting.clear()
        self._take(-self._lines)
        self._uses = None

    @property
    def _is_room(self) -> bool:
        """For one program more."""
        return _room.lines < MAX_LINES_IN_PROCESS and (len(self._programs) < MIN_VARIANTS or self._lines < MAX_LINES)

    def _is_worth_a_program(self, values: tuple[bool, ...]) -> bool:
        """Whether `get` is likely to make one."""
        if self._uses is None:
            return not self._programs or self._is_room
        return self._waiting.get(values, 0) > 2 * min(self._uses.values(), default=0)

    def _compiled(self, values: tuple[bool, ...], done: "asyncio.Future[ProgramT | str]") -> None:
        self._compiling.pop(values, None)
        if not done.cancelled() and done.exception() is None:
            self._keep_ahead(values, done.result())

    def _compiled_later(self, values: tuple[bool, ...], program: ProgramT | str) -> None:
        self._queued.discard(values)
        self._runs.pop(values, None)
        if self._uses is None and values not in self._programs and self._make_room(values):
            self._programs[values] = program
            self._take(_length(program))
        else:
            self._keep_ahead(values, program)

    def _keep_ahead(self, values: tuple[bool, ...], program: ProgramT | str) -> None:
        while len(self._ahead) >= _MAX_AHEAD:  # no request came for them
            self._ahead.pop(next(iter(self._ahead)))
        self._ahead[values] = program

    def _make_room(self, values: tuple[bool, ...]) -> bool:
        if not self._programs:
            return True
        if self._is_room:
            return True
        if self._uses is None:
            self._uses = dict.fromkeys(self._programs, 0)
        least = min(self._uses, key=self._uses.__getitem__)
        if self._waiting.get(values, 0) <= 2 * self._uses[least] + 1:
            return False
        del self._uses[least]
        self._take(-_length(self._programs.pop(least)))
        self._uses[values] = self._waiting.pop(values)
        return True

    def _count(self, values: tuple[bool, ...], among: dict[tuple[bool, ...], int]) -> None:
        if values in among or len(among) < _MAX_WAITING:
            among[values] = among.get(values, 0) + 1
        self._asked += 1
        if self._asked >= _HALF_LIFE and self._uses is not None:
            self._asked = 0
            self._uses = {one: count // 2 for one, count in self._uses.items()}
            self._waiting = {one: half for one, count in self._waiting.items() if (half := count // 2)}

    def _compile(self, conditions: Conditions) -> ProgramT | str:
        try:
            return self._write(conditions)
        except Unsupported as reason:
            return str(reason)
        except Exception:
            # The interpreter answers as well; an operator finds the count and this line.
            logger.exception("compiling a plan failed")
            return "a fault of the compiler"


def _length(program: _Written | str) -> int:
    return 1 if isinstance(program, str) else program.lines
