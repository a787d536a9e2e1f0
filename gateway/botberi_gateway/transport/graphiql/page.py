"""A path -> GraphiQL's page and files, from `dist/` (made by `python -m botberi_gateway.transport.graphiql.build`)."""

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from botberi_gateway.transport.exchange import send_bytes

DIST: Final = Path(__file__).parent / "dist"
#: Where the files are, below the endpoint.
PREFIX: Final = "/graphiql/"

_TYPES: Final = {
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".json": b"application/json",
    ".map": b"application/json",
    ".svg": b"image/svg+xml",
    ".ttf": b"font/ttf",
    ".woff": b"font/woff",
    ".woff2": b"font/woff2",
}
#: Monaco sets styles from code and keeps its icons in data addresses; scripts come from our files alone.
_POLICY: Final = (
    b"default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
    b"img-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
    b"form-action 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS: Final = [
    (b"content-type", _TYPES[".html"]),
    (b"content-security-policy", _POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
#: Reloads itself, as a first `./start` builds the page while the rest already runs.
_NOT_BUILT: Final = b"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>GraphiQL</title>
<meta http-equiv="refresh" content="5"></head><body>
<h1>GraphiQL is not built</h1>
<p>The GraphQL endpoint is here and works. At its first start the platform builds GraphiQL in the background, in about a
minute; this page reloads until then. Elsewhere build it once (it needs npm's registry):</p>
<pre>python -m botberi_gateway.transport.graphiql.build</pre></body></html>"""


class GraphiQL:
    """The page and its files. Only files that a look into `dist/` found are ever read, so no path leads outside."""

    def __init__(self, default_query: str | None = None, dist: Path = DIST) -> None:
        self._dist = dist
        self._default_query = default_query
        self._files: Mapping[str, Path] = {}
        self._made = 0
        self._bodies: dict[Path, bytes] = {}

    async def serve_page(self, endpoint: str, send: Any) -> None:
        """The page; `endpoint` is the path that it is served at."""
        index = self._dist / "index.html"
        if not index.is_file():
            await send_bytes(send, 503, _NOT_BUILT, [(b"content-type", _TYPES[".html"])])
            return
        base = html.escape(endpoint.rstrip("/") + PREFIX, quote=True)
        head = f'<base href="{base}">'
        if self._default_query is not None:
            head += f'<meta name="graphiql-default-query" content="{html.escape(self._default_query, quote=True)}">'
        page = index.read_text("utf-8").replace("<head>", "<head>" + head, 1)
        await send_bytes(send, 200, page.encode(), _PAGE_HEADERS)

    async def serve_file(self, name: str, headers: Mapping[str, str], send: Any) -> None:
        """A file below `PREFIX`; its name has its content's hash in it, so it may be kept for ever."""
        path = self._find(name)
        if path is None:
            await send_bytes(send, 404, b"Not found", [(b"content-type", b"text/plain; charset=utf-8")])
            return
        answer = [
            (b"content-type", _TYPES.get(path.suffix, b"application/octet-stream")),
            (b"vary", b"accept-encoding"),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"public, max-age=31536000, immutable"),
        ]
        compressed = path.with_name(path.name + ".gz")
        if "gzip" in headers.get("accept-encoding", "") and compressed.is_file():
            path = compressed
            answer.append((b"content-encoding", b"gzip"))
        body = self._bodies.get(path)
        if body is None:
            body = self._bodies[path] = path.read_bytes()
        answer.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": 200, "headers": answer})
        await send({"type": "http.response.body", "body": body})

    def _find(self, name: str) -> Path | None:
        index = self._dist / "index.html"
        made = index.stat().st_mtime_ns if index.is_file() else 0
        if made != self._made:
            # Built, or built again, while the server ran.
            found = (path for path in self._dist.rglob("*") if path.is_file() and path.suffix in _TYPES)
            self._files = {path.relative_to(self._dist).as_posix(): path for path in found if path != index}
            self._bodies.clear()
            self._made = made
        return self._files.get(name)
