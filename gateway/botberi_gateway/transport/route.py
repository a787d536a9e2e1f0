"""`GraphQLRoute`: serves the app at exactly its path, without a trailing slash."""

from typing import Any

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send


class GraphQLRoute(BaseRoute):
    """`Starlette(routes=[GraphQLRoute("/graphql", GraphQLApp(gateway))])`: the path itself and everything below it.

    Starlette's `Mount("/graphql", app)` answers at `/graphql/` alone: it redirects HTTP requests there and refuses
    WebSockets.
    """

    def __init__(self, path: str, app: ASGIApp) -> None:
        """`path` begins with a slash; `/` takes everything. Raises `ValueError`."""
        if not path.startswith("/"):
            raise ValueError(f"The path {path!r} does not begin with a slash.")
        self._path = path.rstrip("/")
        self._app = app

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Overrides the method of Starlette's `BaseRoute`."""
        if scope["type"] not in ("http", "websocket"):
            return Match.NONE, {}
        path = _path_below(scope)
        if path == self._path or path.startswith(self._path + "/"):
            return Match.FULL, {}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Overrides the method of Starlette's `BaseRoute`."""
        inner: dict[str, Any] = {**scope, "root_path": scope.get("root_path", "") + self._path}
        await self._app(inner, receive, send)


def _path_below(scope: Scope) -> str:
    root: str = scope.get("root_path", "")
    path: str = scope["path"]
    return path[len(root) :] if root and path.startswith(root) else path
