"""Execute a plan by compiled code; the interpreter has to give the same bytes from the same subgraph answers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from botberi_gateway.executor import Compiled, ExecutionResult, ExecutorKind, Runtime
from botberi_gateway.operation import Operation
from botberi_gateway.plan import Plan


async def execute(plan: Plan, operation: Operation, variables: Mapping[str, Any], runtime: Runtime) -> ExecutionResult:
    """As `botberi_gateway.executor.execute`, by both. Raises `ExecutorMismatch`, and fails where the compiler does."""
    both = replace(runtime, environment=replace(runtime.environment, executor=ExecutorKind.BOTH))
    result = await Compiled(plan, operation).execute(variables, both)
    assert not both.environment.statistics.interpreted["a fault of the compiler"]
    return result
