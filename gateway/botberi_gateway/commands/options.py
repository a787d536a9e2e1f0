"""The choices that options have. This module imports nothing, so that `--help` answers at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Format(StrEnum):
    """How problems are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


class FailOn(StrEnum):
    """The mildest class of changes for which `check` exits with 1."""

    BREAKING = "breaking"
    DANGEROUS = "dangerous"
    NEVER = "never"


class Stage(StrEnum):
    """The stages that `inspect` shows, in the order in which an operation passes them."""

    SUPERGRAPH = "supergraph"
    GRAPH = "graph"
    OPERATION = "operation"
    FETCHES = "fetches"
    PLAN = "plan"
    PROGRAM = "program"
    CODE = "code"


#: These ask for an operation as well.
OF_OPERATION = (Stage.OPERATION, Stage.FETCHES, Stage.PLAN, Stage.PROGRAM, Stage.CODE)


@dataclass(frozen=True, slots=True)
class Filter:
    """The tags by which a contract is made."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    hide_unreachable: bool = False

    def __bool__(self) -> bool:
        return bool(self.include or self.exclude or self.hide_unreachable)
