"""A workflow: typed input -> typed output. It reports progress and is asked to stop through a `RunContext`.

Nothing here knows Celery, a database or a network; neither may a workflow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

InputT = TypeVar("InputT", bound=BaseModel)
OutputT = TypeVar("OutputT", bound=BaseModel)


class WorkflowInputError(Exception):
    """The submitted input can't be worked on; `code` and `message` are for the person who submitted it."""

    def __init__(self, code: str, message: str, *, path: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = path


class RunCancelled(Exception):
    """Raised by `RunContext.check_cancelled` once the run shall end."""


def either(first: str, second: str) -> Callable[[dict[str, Any]], None]:
    """A JSON-Schema hook for an input that takes exactly one of two fields, and leaves out what it doesn't need.

    The schema then refuses what the model's validator refuses, before a run exists. `null` as a default would
    contradict the field's own type, so there is none.
    """

    def extend(schema: dict[str, Any]) -> None:
        schema["oneOf"] = [{"required": [first]}, {"required": [second]}]
        for described in schema["properties"].values():
            if "default" in described and described["default"] is None:
                del described["default"]

    return extend


class RunContext(Protocol):
    """Connection of a running workflow to the program that runs it."""

    def progress(self, fraction: float, message: str) -> None:
        """Tell how far the work is (0..1) and what is being done now. Raises `RunCancelled` like the next."""

    def check_cancelled(self) -> None:
        """Raise `RunCancelled` if the run shall stop. Cheap: call it in every loop."""

    def log(self, message: str, level: Level = "INFO") -> None:
        """Tell the run's owner something that is no progress. Raises `RunCancelled` like the others."""

    def artifact(self, name: str, content: str | bytes, content_type: str) -> None:
        """Give the run's owner a file, once the run has succeeded; a second one of a name replaces the first.

        Names are plain (`result.csv`); text is written as UTF-8. Raises `WorkflowInputError` for a file too large or
        one too many, and `RunCancelled` like the others.
        """


@dataclass(frozen=True, slots=True)
class File:
    """A file for the run's owner: a plain name (`result.csv`), and text, which is written as UTF-8, or bytes."""

    name: str
    content: str | bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Template:
    """An example a person can start from: real parameters for one workflow. Seeds the catalog."""

    slug: str
    name: str
    description: str
    parameters: Mapping[str, Any]
    tags: tuple[str, ...] = ()


class Workflow(Protocol):
    """One unit of ML work, as the registry, the catalog's seed and the worker see it."""

    @property
    def slug(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def tags(self) -> tuple[str, ...]: ...
    @property
    def version(self) -> str: ...
    @property
    def libraries(self) -> tuple[str, ...]:
        """The modules that `run` imports and that take long to load."""

    @property
    def input_model(self) -> type[BaseModel]: ...
    @property
    def output_model(self) -> type[BaseModel]: ...

    def run(self, inputs: Any, context: RunContext) -> BaseModel:
        """`given` is an instance of `input_model`; the answer is one of `output_model`."""

    def files(self, inputs: Any, output: Any) -> Sequence[File]:
        """Parts of the output that are better read as files. Other files go to `RunContext.artifact`."""


@dataclass(frozen=True, slots=True)
class FunctionWorkflow(Generic[InputT, OutputT]):
    """A `Workflow` made of a plain function and the words that describe it."""

    slug: str
    name: str
    summary: str
    description: str
    version: str
    input_model: type[InputT]
    output_model: type[OutputT]
    function: Callable[[InputT, RunContext], OutputT] = field(repr=False)
    tags: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    to_files: Callable[[InputT, OutputT], Sequence[File]] | None = field(default=None, repr=False)

    def run(self, inputs: InputT, context: RunContext) -> OutputT:
        return self.function(inputs, context)

    def files(self, inputs: InputT, output: OutputT) -> Sequence[File]:
        return self.to_files(inputs, output) if self.to_files else ()


class SilentContext:
    """A context for calling a workflow directly: progress is dropped, and no cancel comes."""

    def progress(self, fraction: float, message: str) -> None:
        return None

    def check_cancelled(self) -> None:
        return None

    def log(self, message: str, level: Level = "INFO") -> None:
        return None

    def artifact(self, name: str, content: str | bytes, content_type: str) -> None:
        return None
