"""Payloads of incremental delivery -> JSON, in the form of the present proposal or of Apollo's clients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from botberi_gateway.codec import encode
from botberi_gateway.errors import ErrorEntry
from botberi_gateway.executor.budget import DEFAULT, ResponseTooLarge
from botberi_gateway.executor.errorlog import ResponsePath
from botberi_gateway.executor.result import ExecutionResult, refused, response_too_large
from botberi_gateway.upstream.bounded import TooLong, encode_within


@dataclass(frozen=True, slots=True)
class Pending:
    """A deferred fragment at an object, announced."""

    id: str
    path: ResponsePath
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Incremental:
    """Fields for the object at a pending fragment's path, or below it at `sub_path`."""

    id: str
    data: Mapping[str, Any]
    sub_path: ResponsePath = ()
    errors: Sequence[ErrorEntry] = ()


@dataclass(frozen=True, slots=True)
class Completed:
    """The end of a fragment: all of it has come, or, with errors, a null propagated out of it."""

    id: str
    errors: Sequence[ErrorEntry] = ()


@dataclass(frozen=True, slots=True)
class Payload:
    """A message of the response; only the first has a `result`."""

    result: ExecutionResult | None = None
    pending: Sequence[Pending] = ()
    incremental: Sequence[Incremental] = ()
    completed: Sequence[Completed] = ()
    has_next: bool = False
    extensions: Mapping[str, Any] = field(default_factory=dict)
    #: The most bytes of its JSON, by the operation's budget.
    max_bytes: int = field(default=DEFAULT.max_response_bytes, repr=False, compare=False)


class PayloadForm(Protocol):
    """Payloads of one response, in their order -> JSON."""

    def json(self, payload: Payload) -> dict[str, Any]: ...


class PendingForm:
    """`pending`, `incremental`, `completed`: what graphql-js 17 and graphql-core 3.3 send (`incrementalSpec=v0.2`)."""

    def json(self, payload: Payload) -> dict[str, Any]:
        message: dict[str, Any] = {} if payload.result is None else payload.result.to_json()
        if payload.pending:
            message["pending"] = [
                {"id": pending.id, "path": list(pending.path), **_label(pending.label)} for pending in payload.pending
            ]
        if payload.incremental:
            message["incremental"] = [
                {
                    "id": part.id,
                    **({"subPath": list(part.sub_path)} if part.sub_path else {}),
                    "data": part.data,
                    **_errors(part.errors),
                }
                for part in payload.incremental
            ]
        if payload.completed:
            message["completed"] = [{"id": end.id, **_errors(end.errors)} for end in payload.completed]
        if payload.extensions:
            message["extensions"] = dict(payload.extensions)
        message["hasNext"] = payload.has_next
        return message


class PathForm:
    """`incremental` with paths and labels (`deferSpec=20220824`). Fields that were sent already aren't sent again."""

    def __init__(self) -> None:
        self._pending: dict[str, Pending] = {}

    def json(self, payload: Payload) -> dict[str, Any]:
        self._pending |= {pending.id: pending for pending in payload.pending}
        message: dict[str, Any] = {} if payload.result is None else payload.result.to_json()
        parts = []
        for part in payload.incremental:
            pending = self._pending[part.id]
            path = [*pending.path, *part.sub_path]
            parts.append({"data": part.data, "path": path, **_label(pending.label), **_errors(part.errors)})
        for end in payload.completed:
            pending = self._pending.pop(end.id)
            if end.errors:
                path = list(pending.path)
                parts.append({"data": None, "path": path, **_label(pending.label), **_errors(end.errors)})
        if parts:
            message["incremental"] = parts
        if payload.extensions:
            message["extensions"] = dict(payload.extensions)
        message["hasNext"] = payload.has_next
        return message


def payload_bytes(form: PayloadForm, payload: Payload) -> bytes:
    """A payload's JSON; a response that comes in one piece is a plain one. Raises `ResponseTooLarge`."""
    if payload.result is not None and not payload.has_next:
        return payload.result.to_bytes()
    try:
        return encode_within(form.json(payload), payload.max_bytes)
    except TooLong:
        raise response_too_large(payload.max_bytes) from None


def first_payload_bytes(form: PayloadForm, payload: Payload, *, as_part: bool = False) -> tuple[Payload, bytes]:
    """The first payload and its JSON: where that is too large, the refusal in its place, after which nothing comes.

    `as_part` gives a response in one piece the form of a payload.
    """
    try:
        written = payload_bytes(form, payload)
    except ResponseTooLarge as error:
        payload = Payload(refused(error))
        written = payload_bytes(form, payload)
    if as_part and not payload.has_next:
        # Short enough, as it has been written once.
        written = encode(form.json(payload))
    return payload, written


def _label(label: str | None) -> dict[str, str]:
    return {} if label is None else {"label": label}


def _errors(entries: Sequence[ErrorEntry]) -> dict[str, Any]:
    return {"errors": [entry.to_json() for entry in entries]} if entries else {}
