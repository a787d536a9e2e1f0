"""A plan -> Python code that runs it: the interpreter's answers, without its steps for each object."""

from botberi_gateway.executor.compiled.program import Compiled, Program, compile_plan, condition_variables

__all__ = ["Compiled", "Program", "compile_plan", "condition_variables"]
