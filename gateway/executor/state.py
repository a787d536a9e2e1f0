"""What one execution knows so far: the joined view, the errors, the time that is left."""

import asyncio
from collections.abc import Mapping
from typing import Any

from gateway.executor.errorlog import ErrorLog
from gateway.executor.failure import Failure
from gateway.executor.representations import TypeNames
from gateway.executor.runtime import Runtime
from gateway.executor.view import ObjectView
from gateway.operation import Operation


class Execution:
    """One operation being executed, or one event of a subscription. Belongs to one request."""

    __slots__ = ("deadline", "errors", "failures", "names", "operation", "root", "runtime", "variables")

    def __init__(self, operation: Operation, variables: Mapping[str, Any], runtime: Runtime) -> None:
        self.operation = operation
        self.variables = variables
        self.runtime = runtime
        self.names = TypeNames(operation.schema)
        self.root = ObjectView(None, "")
        self.errors = ErrorLog(runtime.max_errors)
        #: Failures with the path that they are reported at if no lost field names them.
        self.failures: list[tuple[int, Failure, tuple[str | int, ...] | None]] = []
        self.deadline = asyncio.get_running_loop().time() + runtime.timeout

    def time_left(self) -> float:
        return self.deadline - asyncio.get_running_loop().time()
