"""Plug-ins -> the hooks that engine and transport call: those that are overridden, in order, each within its time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from graphql import print_ast

from botberi_gateway import errors
from botberi_gateway.codec import decode
from botberi_gateway.config import PluginConfig
from botberi_gateway.engine import GraphQLRequest, Prepared, RequestContext
from botberi_gateway.errors import GatewayError
from botberi_gateway.executor import ExecutionResult
from botberi_gateway.plugins.plugin import IncomingRequest, OperationInfo, OutgoingResponse, Plugin

ResultT = TypeVar("ResultT")

#: The operation that is running, for hooks of its requests to subgraphs.
OPERATION: Final[ContextVar[OperationInfo | None]] = ContextVar("operation", default=None)


class Hook:
    """One hook of one plug-in, and how long it may take."""

    __slots__ = ("_call", "_name", "_seconds")

    def __init__(self, plugin: Plugin, name: str, seconds: float) -> None:
        self._call: Callable[..., Awaitable[Any]] = getattr(plugin, name)
        self._name, self._seconds = f"{type(plugin).__name__}.{name}", seconds

    async def __call__(self, *arguments: Any) -> Any:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._call(*arguments)
        except TimeoutError as error:
            message = f"Plug-in hook {self._name} took longer than {self._seconds:g} s."
            raise RuntimeError(message) from error


class Hooks:
    """The hooks of all plug-ins of a gateway. Implements `EngineHooks` and the transport's `RequestHooks`."""

    def __init__(self, plugins: Sequence[tuple[Plugin, PluginConfig]]) -> None:
        self._plugins = plugins

        def hooks(name: str) -> tuple[Hook, ...]:
            return tuple(
                Hook(plugin, name, config.timeout_seconds)
                for plugin, config in plugins
                if getattr(type(plugin), name) is not getattr(Plugin, name)
            )

        self.on_request, self.on_operation, self.on_plan = hooks("on_request"), hooks("on_operation"), hooks("on_plan")
        self.on_subgraph_request = hooks("on_subgraph_request")
        self.on_subgraph_response = hooks("on_subgraph_response")
        self.on_response, self.on_event = hooks("on_response"), hooks("on_subscription_event")

    async def start(self) -> None:
        """Start all plug-ins. Raises what one of them raises, after those before it were stopped."""
        started: list[Plugin] = []
        try:
            for plugin, _ in self._plugins:
                await plugin.start()
                started.append(plugin)
        except BaseException:
            for plugin in reversed(started):
                await plugin.stop()
            raise

    async def stop(self) -> None:
        """Stop all plug-ins, the last one first."""
        for plugin, _ in reversed(self._plugins):
            await plugin.stop()

    # The transport's side.

    async def request(
        self, request: GraphQLRequest, headers: Mapping[str, str], address: str | None, context: RequestContext
    ) -> GraphQLRequest:
        """A client's request has come. Returns the request to go on with."""
        incoming = IncomingRequest(request, headers, address, context.subject)
        context.state = incoming.state
        for hook in self.on_request:
            await hook(incoming)
        return incoming.request

    # The engine's side.

    @property
    def needs_whole_answers(self) -> bool:
        """See `EngineHooks`."""
        return bool(self.on_response)

    async def planned(self, prepared: Prepared) -> None:
        """See `EngineHooks`."""
        for hook in self.on_plan:
            await hook(_document(prepared), prepared.plan)

    async def begin(
        self, prepared: Prepared, variables: Mapping[str, Any], context: RequestContext | None
    ) -> Mapping[str, Any]:
        """See `EngineHooks`."""
        info = _info(prepared, variables, context)
        OPERATION.set(info)
        for hook in self.on_operation:
            await hook(info)
        return info.variables

    async def response(
        self, prepared: Prepared, context: RequestContext | None, result: ExecutionResult
    ) -> ExecutionResult:
        """See `EngineHooks`."""
        return await _changed(self.on_response, prepared, context, result)

    async def event(
        self, prepared: Prepared, context: RequestContext | None, result: ExecutionResult
    ) -> ExecutionResult:
        """See `EngineHooks`."""
        return await _changed(self.on_event, prepared, context, result)


def _document(prepared: Prepared) -> str:
    """The document as the client sent it."""
    location = prepared.operation.document.loc
    return print_ast(prepared.operation.document) if location is None else location.source.body


def _info(prepared: Prepared, variables: Mapping[str, Any], context: RequestContext | None) -> OperationInfo:
    operation = prepared.operation
    state = context.state if context is not None else None
    subject = context.subject if context is not None else None
    return OperationInfo(
        operation.name,
        operation.kind,
        _document(prepared),
        prepared.plan,
        variables,
        subject,
        {} if state is None else state,
    )


async def _changed(
    hooks: Sequence[Hook], prepared: Prepared, context: RequestContext | None, result: ExecutionResult
) -> ExecutionResult:
    if not hooks:
        return result
    # Plain values of its own: several clients may share a result, and compiled code makes other objects than these.
    written = decode(result.to_bytes())
    info = OPERATION.get() or _info(prepared, {}, context)
    response = OutgoingResponse(info, written["data"], result.errors, dict(result.extensions))
    try:
        for hook in hooks:
            await hook(response)
    except GatewayError:
        raise
    except Exception as error:
        # Data that a plug-in was to change doesn't leave unchanged.
        raise GatewayError("A plug-in failed.", code=errors.INTERNAL_SERVER_ERROR) from error
    return ExecutionResult(
        response.data,
        response.errors,
        response.extensions,
        result.event_id,
        result.response_headers,
        result.max_bytes,
    )
