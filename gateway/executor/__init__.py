"""Plan -> response: runs a query plan over subgraph clients and projects the answers in the client's shape."""

from gateway.executor.execute import execute
from gateway.executor.compiled import Compiled
from gateway.executor.compiled.parts import CompiledParts
from gateway.executor.statistics import ExecutionStatistics, ExecutorKind, ExecutorMismatch
from gateway.executor.incremental import deliver
from gateway.executor.subscribe import subscribe
from gateway.executor.payload import PathForm, Payload, PayloadForm, PendingForm, payload_bytes
from gateway.executor.result import ExecutionResult
from gateway.executor.runtime import Runtime

__all__ = [
    "Compiled",
    "CompiledParts",
    "ExecutionResult",
    "ExecutionStatistics",
    "ExecutorKind",
    "ExecutorMismatch",
    "PathForm",
    "Payload",
    "PayloadForm",
    "PendingForm",
    "Runtime",
    "deliver",
    "execute",
    "payload_bytes",
    "subscribe",
]
