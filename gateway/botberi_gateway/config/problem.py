"""What is wrong with a configuration: all of it at once, each with its place."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from: the configuration's file and line, an environment variable, or an option."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; `path` is the value's place in the tree, empty for the whole."""

    path: str
    message: str
    origin: Origin | None = None

    def __str__(self) -> str:
        return ": ".join(str(part) for part in (self.origin, self.path, self.message) if part)


class ConfigError(ValueError):
    """A configuration that can't be used; `problems` has everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))
