"""Plan -> response: runs a query plan over subgraph clients and projects the answers in the client's shape."""

from botberi_gateway.executor.execute import execute
from botberi_gateway.executor.compiled import Compiled
from botberi_gateway.executor.compiled.parts import CompiledParts
from botberi_gateway.executor.statistics import ExecutionStatistics, ExecutorKind, ExecutorMismatch
from botberi_gateway.executor.incremental import deliver
from botberi_gateway.executor.payload import (
    PathForm,
    Payload,
    PayloadForm,
    PendingForm,
    first_payload_bytes,
    payload_bytes,
)
from botberi_gateway.executor.result import ExecutionResult
from botberi_gateway.executor.runtime import Environment, Runtime

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
    "Environment",
    "Runtime",
    "deliver",
    "execute",
    "first_payload_bytes",
    "payload_bytes",
]
