"""The pages' templates -> routes of the gateway.

A token is behind the `#` of a link: no server, log or referrer gets it, and a program that opens links of mails to look
at them uses none up, as the page acts only when its button is pressed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER: Final = Path(__file__).parent / "files"
#: A page's name in its address -> its title.
PAGES: Final = {
    "login": "Sign in",
    "register": "Make an account",
    "verify": "Confirm your address",
    "reset": "Choose a new password",
    "passkeys": "Passkeys",
    "provider": "Sign in",
}
_ASSETS: Final = {"account.js": "text/javascript; charset=utf-8", "account.css": "text/css; charset=utf-8"}
_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
}


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # only who reads a page needs it

    return Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)


@cache
def _page(name: str) -> str:
    return _environment().get_template(f"{name}.html").render(title=PAGES[name], page=name)


@cache
def _asset(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def page(request: Request) -> Response:
    """One page, as it is for everybody: what it is about comes from its link, and from /graphql."""
    name = request.path_params["page"]
    if name not in PAGES:
        return HTMLResponse("There is no such page.", status_code=404, headers=_HEADERS)
    return HTMLResponse(_page(name), headers=_HEADERS)


def asset(request: Request) -> Response:
    """The script or the style sheet of the pages."""
    name = request.path_params["name"]
    if name not in _ASSETS:
        return Response("There is no such file.", status_code=404, headers=_HEADERS)
    return Response(_asset(name), headers={**_HEADERS, "content-type": _ASSETS[name]})


def routes() -> Sequence[Route]:
    """The pages, below /account."""
    return (
        Route("/account/files/{name}", asset, methods=["GET"]),
        Route("/account/{page}", page, methods=["GET"]),
    )
