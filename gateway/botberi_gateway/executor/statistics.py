"""How operations were executed: by compiled code or by the interpreter, and why."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class ExecutorKind(StrEnum):
    """What runs plans."""

    #: Python code that is generated for each plan; the interpreter for a plan that can't be compiled, and for an answer
    #: that the code bails out of.
    COMPILED = "compiled"
    #: The plain interpreter, which is the reference.
    INTERPRETED = "interpreted"
    #: Compiled code, and the interpreter over the same answers: what differs is an error. For tests.
    BOTH = "both"


@dataclass(slots=True)
class ExecutionStatistics:
    """Counts since the gateway began."""

    #: Answered by compiled code.
    compiled: int = 0
    #: Answered by programs over typed answers.
    typed: int = 0
    #: Of `compiled`: operations that a program over typed answers left to it.
    typed_bail_outs: int = 0
    #: Requests of plans that can't be compiled, by reason.
    interpreted: Counter[str] = field(default_factory=Counter)
    #: Requests whose answers compiled code left to the interpreter, by what it doesn't handle.
    bail_outs: Counter[str] = field(default_factory=Counter)


class ExecutorMismatch(AssertionError):
    """Compiled code and the interpreter answered otherwise from the same subgraph answers."""

    def __init__(self, compiled: bytes, interpreted: bytes) -> None:
        super().__init__(f"compiled: {compiled.decode()[:2000]}\ninterpreted: {interpreted.decode()[:2000]}")
