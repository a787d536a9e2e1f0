"""A plan -> Python code that runs it: the interpreter's answers, without its steps for each object."""

from gateway.executor.compiled.program import (
    Compiled,
    ExecutionStatistics,
    ExecutorMismatch,
    Program,
    compile_plan,
    condition_variables,
)

__all__ = ["Compiled", "ExecutionStatistics", "ExecutorMismatch", "Program", "compile_plan", "condition_variables"]
