"""A service's documents -> routes: its reference, its OpenAPI document in Swagger UI, and their files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from subgraphs.common.documents.reference import Reference

if TYPE_CHECKING:
    from jinja2 import Environment

_FILES: Final = {
    "reference.css": "text/css; charset=utf-8",
    "reference.js": "text/javascript; charset=utf-8",
    "swagger.js": "text/javascript; charset=utf-8",
}
_SWAGGER_UI: Final = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
}
_HTML: Final = "text/html; charset=utf-8"
#: Everything comes from our own server; Swagger UI sets styles from code.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of one service. `name` is None for the gateway's own, which stand at `/docs` itself.

    `reference` is called once, when the page is asked for first. `others` are the names of services that have documents
    as well, and `graphiql` says where operations are tried (None: nowhere).
    """

    name: str | None
    title: str
    summary: str
    reference: Callable[[], Reference]
    api: Mapping[str, Any]
    others: Sequence[str]
    graphiql: str | None = "/graphql"

    @property
    def path(self) -> str:
        """Where the reference stands."""
        return "/docs" if self.name is None else f"/docs/{self.name}"


def paths(path: str) -> Sequence[str]:
    """Every path of a service's documents; `path` is where its reference stands."""
    return [path, f"{path}/rest", f"{path}/openapi.json", *(f"{path}/files/{name}" for name in (*_FILES, *_SWAGGER_UI))]


def document_routes(documents: Documents) -> Sequence[Route]:
    """`/docs[/name]`, `…/rest` (Swagger UI), `…/openapi.json`, `…/files/{file}`. Each is made when asked for first."""

    def page(template: str, **more: Any) -> bytes:
        context = {"documents": documents, "base": documents.path, **more}
        return _environment().get_template(template).render(context).encode()

    contents: list[_Page] = [
        _Page(lambda: page("reference.html", reference=documents.reference()), _HTML),
        _Page(lambda: page("rest.html"), _HTML),
        _Page(lambda: json.dumps(documents.api).encode(), "application/json"),
        *(_Page(partial(_own_file, name), kind) for name, kind in _FILES.items()),
        *(_Page(partial(_swagger_file, name), kind) for name, kind in _SWAGGER_UI.items()),
    ]
    return [Route(path, each, methods=["GET"]) for path, each in zip(paths(documents.path), contents, strict=True)]


class _Page:
    """An answer that never changes while the process runs; a client that has it already gets 304."""

    def __init__(self, make: Callable[[], bytes], content_type: str) -> None:
        self._make = make
        self._content_type = content_type
        self._body: bytes | None = None
        self._etag = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._body is None:
            body = await run_in_threadpool(self._make)
            self._etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            self._body = body
        headers = {
            "content-type": self._content_type,
            "cache-control": "no-cache",
            "etag": self._etag,
            "content-security-policy": _POLICY,
        }
        known = Request(scope).headers.get("if-none-match") == self._etag
        response = Response(b"" if known else self._body, 304 if known else 200, headers)
        await response(scope, receive, send)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # only who reads a page needs it

    return Environment(
        loader=PackageLoader("subgraphs.common.documents", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _own_file(name: str) -> bytes:
    return (files("subgraphs.common.documents") / "files" / name).read_bytes()


@cache
def _swagger_file(name: str) -> bytes:
    return (files("swagger_ui") / "static" / name).read_bytes()
