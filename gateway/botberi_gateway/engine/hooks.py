"""What plug-ins do around an operation, as the engine calls it. Without plug-ins there are no hooks at all."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from botberi_gateway.engine.request import RequestContext
from botberi_gateway.executor import ExecutionResult

if TYPE_CHECKING:
    from botberi_gateway.engine.planning import Prepared


class EngineHooks(Protocol):
    """Each may raise a `GatewayError`, which ends the operation."""

    @property
    def needs_whole_answers(self) -> bool:
        """Whether answers come in one piece, though a client defers fragments."""
        ...

    async def planned(self, prepared: "Prepared") -> None:
        """An operation has its plan; called for each request, also where the plan is kept from an earlier one."""
        ...

    async def begin(
        self, prepared: "Prepared", variables: Mapping[str, Any], context: RequestContext | None
    ) -> Mapping[str, Any]:
        """An operation is about to run. Returns the variables to run it with."""
        ...

    async def response(
        self, prepared: "Prepared", context: RequestContext | None, result: ExecutionResult
    ) -> ExecutionResult:
        """A query or mutation has its result. Returns what the client gets."""
        ...

    async def event(
        self, prepared: "Prepared", context: RequestContext | None, result: ExecutionResult
    ) -> ExecutionResult:
        """A subscription has a result. Returns what the client gets."""
        ...
