"""POST /graphql -> verified, bounded, executed, masked, answered; one Starlette endpoint for each subgraph."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from json import dumps
from typing import Any

import orjson
from graphql import GraphQLError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.execution import ExecutionResult
from strawberry.types.graphql import OperationType

from shared_schema.contracts.assertion import HEADER
from shared_schema.origin import acting
from subgraphs.common.assertion import AssertionRefused, AssertionVerifier, Vouched
from subgraphs.common.audit import Denials
from subgraphs.common.caller import Caller, RequestFacts
from subgraphs.common.context import Denial, RequestContext
from subgraphs.common.errors import Forbidden, PublicError, Unauthenticated
from subgraphs.common.masking import formatted, public_cause, unexpected
from subgraphs.common.metrics import SubgraphMetrics
from subgraphs.common.schema import SubgraphSchema
from subgraphs.common.work import Work

JSON_TYPE = "application/json"
RESPONSE_TYPE = "application/graphql-response+json"
OPERATIONS = (OperationType.QUERY, OperationType.MUTATION)
# The first errors tell the story; a thousand entities that fail alike need no thousand entries.
MAXIMUM_ERRORS = 1000

MakeContext = Callable[[Caller, RequestFacts], RequestContext]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one request."""

    body_bytes: int
    seconds: float
    #: Fields of objects and items of lists.
    max_fields: int = 20_000


class RequestRefused(Exception):
    """A request that never reaches the schema: its HTTP status, code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class GraphQLEndpoint:
    """Executes requests that the gateway vouches for."""

    def __init__(
        self,
        schema: SubgraphSchema,
        verifier: AssertionVerifier,
        make_context: MakeContext,
        limits: Limits,
        metrics: SubgraphMetrics,
        logger: logging.Logger,
        denials: Denials,
    ) -> None:
        self._denials = denials
        self._schema = schema
        self._verifier = verifier
        self._make_context = make_context
        self._limits = limits
        self._metrics = metrics
        self._logger = logger

    async def __call__(self, request: Request) -> Response:
        """Answer one GraphQL request."""
        started = time.perf_counter()
        context: RequestContext | None = None
        try:
            body_sent = await read_body(request, self._limits.body_bytes)
            vouched = await self._vouched(request, body_sent)
            caller = vouched.caller()
            context = self._make_context(caller, caller.facts)
            work = context.work = Work(self._limits.max_fields)
            operation = _operation(body_sent, request)
            with acting(_actor(context.caller), request.headers.get("traceparent"), context.caller.rows):
                result = await self._execute(operation, context)
            if work.is_too_much:
                # What was executed isn't half given; its errors would say the same for each place.
                result = ExecutionResult(data=None, errors=[GraphQLError("", original_error=work.refusal())])
            shown = (result.errors or ())[:MAXIMUM_ERRORS]
            errors = [formatted(error, self._logger) for error in shown]
            context.denials += [denial for error in shown for denial in _denied(error)]
            if context.denials:
                self._denials.note(context)
            executed = result.data is not None or any(error.path for error in result.errors or ()) or work.is_too_much
            body: dict[str, Any] = {"data": result.data} if executed else {}
            status = 200
        except RequestRefused as refused:
            status, executed = refused.status, False
            errors, body = [{"message": refused.message, "extensions": {"code": refused.code}}], {}
        if errors:
            body["errors"] = errors
        answered_type = _media_type(request)
        if not executed and status == 200 and answered_type == RESPONSE_TYPE:
            status = 400
        self._metrics.observe(
            "error" if errors else "ok",
            time.perf_counter() - started,
            [str(error["extensions"]["code"]) for error in errors],
        )
        response = Response(_encode(body), status_code=status, media_type=answered_type)
        response.headers["cache-control"] = "no-store"
        for name, value in context.response_headers if context else ():
            response.headers.append(name, value)
        return response

    async def _vouched(self, request: Request, body: bytes) -> Vouched:
        try:
            return await self._verifier.verify(request, body)
        except AssertionRefused as refused:
            self._logger.warning("A request was refused, its assertion: %s", refused)
            message = f"A valid {HEADER} header is needed; ask through the gateway."
            raise RequestRefused(401, "UNAUTHENTICATED_GATEWAY", message) from None
        except PublicError as problem:
            raise RequestRefused(503, problem.code, problem.message) from problem

    async def _execute(self, operation: dict[str, Any], context: RequestContext) -> ExecutionResult:
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._schema.execute(
                    operation["query"],
                    variable_values=operation.get("variables"),
                    operation_name=operation.get("operationName"),
                    context_value=context,
                    allowed_operation_types=OPERATIONS,
                )
        except CannotGetOperationTypeError as problem:
            message = f"The document has no operation {operation.get('operationName')!r}, or several and no name."
            raise RequestRefused(400, "GRAPHQL_VALIDATION_FAILED", message) from problem
        except InvalidOperationTypeError as problem:
            message = "Subscriptions are the gateway's; it feeds them from events."
            raise RequestRefused(400, "BAD_REQUEST", message) from problem
        except TimeoutError as problem:
            self._logger.error("A request took longer than %s s", self._limits.seconds)
            raise RequestRefused(504, "TIMEOUT", "The request took too long.") from problem
        except Exception as problem:
            incident = unexpected(self._logger, None, problem)
            raise RequestRefused(500, "INTERNAL_SERVER_ERROR", f"Something went wrong: {incident}.") from problem


async def read_body(request: Request, maximum: int) -> bytes:
    """The body, refused as soon as it outgrows the limit."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > maximum:
        raise _too_large(maximum)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > maximum:
                raise _too_large(maximum)
    except ClientDisconnect as gone:
        raise RequestRefused(400, "BAD_REQUEST", "The body ended early.") from gone
    return bytes(body)


def _too_large(maximum: int) -> RequestRefused:
    return RequestRefused(413, "PAYLOAD_TOO_LARGE", f"The request is larger than {maximum} bytes.")


def _operation(body: bytes, request: Request) -> dict[str, Any]:
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if content_type != JSON_TYPE:
        raise RequestRefused(415, "BAD_REQUEST", f"The content type must be {JSON_TYPE}.")
    try:
        operation = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RequestRefused(400, "BAD_REQUEST", "The body is not JSON.") from None
    if not isinstance(operation, dict):
        raise RequestRefused(400, "BAD_REQUEST", "The body must be an object.")
    query = operation.get("query")
    if not isinstance(query, str) or not query.strip():
        raise RequestRefused(400, "BAD_REQUEST", 'The body must be an object with the text "query".')
    if not isinstance(operation.get("variables"), dict | None):
        raise RequestRefused(400, "BAD_REQUEST", '"variables" must be an object.')
    if not isinstance(operation.get("operationName"), str | None):
        raise RequestRefused(400, "BAD_REQUEST", '"operationName" must be a text.')
    return operation


def _denied(error: GraphQLError) -> list[Denial]:
    cause = public_cause(error.original_error)
    if not isinstance(cause, Forbidden | Unauthenticated):
        return []
    return [Denial(".".join(str(step) for step in error.path or () if isinstance(step, str)), cause.code)]


def _actor(caller: Caller) -> str | None:
    """Name of the author of events; the database names the program where no account is signed in."""
    return f"account:{caller.account_id}" if caller.account_id is not None else None


def _media_type(request: Request) -> str:
    return RESPONSE_TYPE if RESPONSE_TYPE in request.headers.get("accept", "") else JSON_TYPE


def _encode(body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:
        # Integers beyond 64 bits, which JSON and Postgres' jsonb take and orjson does not.
        return dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
