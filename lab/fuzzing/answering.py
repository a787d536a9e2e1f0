"""A plan, its operation, variables -> the gateway's answers to a query, `@defer`, or each event of a subscription."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import botberi_gateway.executor
import botberi_gateway.subscriptions
from botberi_gateway.codec import decode, encode
from botberi_gateway.config import EngineConfig
from botberi_gateway.executor import Compiled, CompiledParts, Environment, ExecutorKind, Runtime
from botberi_gateway.operation import Operation
from botberi_gateway.plan import Defer, Plan
from botberi_gateway.upstream import SubgraphClient
from lab.fuzzing.incremental import Whole

#: Seconds for an operation: so many that a machine which stands still for a minute doesn't make requests fail.
_TIMEOUT_SECONDS: Final = 3_600.0


@dataclass(frozen=True)
class Answer:
    """Answer; the order of subgraphs' answers must not change the part `fixed`: all but the cut into payloads."""

    whole: Any
    fixed: bytes
    payloads: int = 1


def runtime(clients: Mapping[str, SubgraphClient], executor: ExecutorKind) -> Runtime:
    """For one execution."""
    config = EngineConfig(
        operation_timeout_seconds=_TIMEOUT_SECONDS, subgraph_timeout_seconds=_TIMEOUT_SECONDS, max_errors=100_000
    )
    return Runtime(Environment(clients, config, executor=executor))


class Answering:
    """A plan that can be executed again and again, compiled once."""

    def __init__(self, plan: Plan, operation: Operation, variables: Mapping[str, Any]) -> None:
        self.plan = plan
        self.operation = operation
        self.variables = variables
        compiled = Compiled(plan, operation)
        self._parts = CompiledParts(plan, operation) if isinstance(plan.node, Defer) else None
        self._compiled = compiled

    async def __call__(self, runtime: Runtime) -> AsyncIterator[Answer]:
        """One answer, or one for each event. Raises `ExecutorMismatch`."""
        plan, operation, variables = self.plan, self.operation, self.variables
        if operation.kind == "subscription":
            async for result in botberi_gateway.subscriptions.subscribe(plan, operation, variables, runtime):
                yield _answer(result.to_bytes())
        elif self._parts is not None:
            whole, form = Whole(), botberi_gateway.executor.PendingForm()
            async for payload in botberi_gateway.executor.deliver(plan, operation, variables, runtime, self._parts):
                whole.read(decode(botberi_gateway.executor.payload_bytes(form, payload)))
            yield _merged(whole)
        else:
            yield _answer((await self._compiled.execute(variables, runtime)).to_bytes())


def _answer(fixed: bytes) -> Answer:
    return Answer(decode(fixed), fixed)


def _merged(whole: Whole) -> Answer:
    failed = [[*map(str, fragment), sorted(map(encode, why))] for fragment, why in whole.failed.items()]
    fixed = [_sorted(whole.data), sorted(map(encode, whole.errors)), sorted(failed)]
    parts = {"data": whole.data, "errors": whole.errors, "failed": whole.failed}
    return Answer(parts, repr(fixed).encode(), whole.payloads)


def _sorted(value: Any) -> Any:
    """Keys in one order."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
