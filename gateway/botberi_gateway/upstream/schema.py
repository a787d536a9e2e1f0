"""A subgraph that is a graphql-core schema in this process: for tests, and for gateways used as a library."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import lru_cache
from inspect import isawaitable
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    GraphQLTypeResolver,
    execute,
    parse,
    subscribe,
    validate,
)

from botberi_gateway import errors
from botberi_gateway.codec import CodecError, decode, encode
from botberi_gateway.errors import SubgraphError
from botberi_gateway.upstream.answer import invalid, to_response
from botberi_gateway.upstream.gate import Gate
from botberi_gateway.upstream.port import Spending, SubgraphRequest, SubgraphResponse

logger = logging.getLogger(__name__)


class SchemaClient:
    """Executes operations on `schema` in this process. Arguments and results are copied through JSON, as over HTTP.

    `context` makes the context value of each request from the request.
    """

    def __init__(
        self,
        name: str,
        schema: GraphQLSchema,
        *,
        root_value: Any = None,
        context: Callable[[SubgraphRequest], Any] | None = None,
        field_resolver: Callable[..., Any] | None = None,
        type_resolver: GraphQLTypeResolver | None = None,
        timeout: float = 30.0,
        max_concurrent: int = 1_000,
    ) -> None:
        self.name = name
        self.schema = schema
        self._root_value = root_value
        self._context = context
        self._field_resolver = field_resolver
        self._type_resolver = type_resolver
        self._timeout = timeout
        self._gate = Gate(name, max_concurrent, max_concurrent)
        self._prepare = lru_cache(maxsize=1_000)(self._parse_and_validate)

    def _parse_and_validate(self, operation: str) -> DocumentNode | tuple[GraphQLError, ...]:
        try:
            document = parse(operation)
        except GraphQLError as error:
            return (error,)
        return tuple(validate(self.schema, document)) or document

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        """See `SubgraphClient.execute`."""
        timeout = self._timeout if request.timeout is None else min(request.timeout, self._timeout)
        try:
            async with asyncio.timeout(timeout), self._gate.enter():
                prepared = self._prepare(request.operation)
                if isinstance(prepared, tuple):
                    return self._response(ExecutionResult(None, list(prepared)))
                result: Any = execute(self.schema, prepared, **self._arguments(request))
                return self._response(await result if isawaitable(result) else result, request.spending)
        except TimeoutError as error:
            message = f"Subgraph {self.name!r} did not answer in time."
            raise SubgraphError(self.name, message, code=errors.SUBGRAPH_TIMEOUT) from error

    async def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        """See `SubgraphClient.subscribe`."""
        prepared = self._prepare(request.operation)
        if isinstance(prepared, tuple):
            yield self._response(ExecutionResult(None, list(prepared)))
            return
        source: Any = subscribe(self.schema, prepared, **self._arguments(request))
        source = await source if isawaitable(source) else source
        if isinstance(source, ExecutionResult):
            yield self._response(source)
            return
        try:
            async with aclosing(source) as results:
                async for result in results:
                    yield self._response(result)
        except GraphQLError as error:
            yield self._response(ExecutionResult(None, [error]))
        except SubgraphError:
            raise
        except Exception as error:
            logger.exception("subgraph %s: its event stream failed", self.name)
            message = f"Subgraph {self.name!r} closed the subscription."
            raise SubgraphError(self.name, message, code=errors.SUBGRAPH_UNREACHABLE) from error

    def _arguments(self, request: SubgraphRequest) -> dict[str, Any]:
        return {
            "root_value": self._root_value,
            "context_value": self._context(request) if self._context else None,
            "variable_values": decode(encode(dict(request.variables))),
            "operation_name": request.operation_name,
            "field_resolver": self._field_resolver,
            "type_resolver": self._type_resolver,
        }

    def _response(self, result: Any, spending: Spending | None = None) -> SubgraphResponse:
        if not isinstance(result, ExecutionResult):
            raise invalid(self.name, "in parts, which was not asked for")
        try:
            text = encode(result.formatted)
            if spending is not None:
                spending.take_bytes(len(text))
            value = decode(text)
        except CodecError as error:
            logger.warning("subgraph %s: %s", self.name, error)
            raise invalid(self.name, "values that are not JSON") from error
        return to_response(self.name, value)

    async def aclose(self) -> None:
        """Nothing is held."""
