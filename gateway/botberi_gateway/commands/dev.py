"""`dev`: subgraphs are watched, composed again, and mocked where they are absent; a page shows what is wrong."""

import html
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse

from botberi_gateway.commands.console import BAD_INPUT, PORT_TAKEN, fail, run
from botberi_gateway.commands.serve import announce, load_or_fail, options_of, read_config, report_of
from botberi_gateway.config import GatewayConfig, GraphConfig

# The engine is imported where it is used: `--help` and a mistyped option answer at once.
if TYPE_CHECKING:
    from botberi_gateway.engine import Gateway
    from botberi_gateway.schema_delivery import SchemaDelivery

#: What holds unless file, environment or options say otherwise.
_BASE: Final = GatewayConfig(
    watch=True,
    graph=GraphConfig(
        poll_interval_seconds=1, watch_interval_seconds=0.3, max_backoff_seconds=2, mock_absent=True, warm_operations=20
    ),
)
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "pre{background:#fbe9e7;border-left:4px solid #c62828;padding:1rem;overflow:auto}"
    "table{border-collapse:collapse}td,th{text-align:left;padding:.25rem 1rem .25rem 0}"
)
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


def dev(values: Mapping[str, Any]) -> None:
    """Serve for development until SIGTERM or SIGINT."""
    from botberi_gateway.server import PortTakenError, bind
    from botberi_gateway.server.logs import configure

    options = options_of(values)
    file = values["config"]
    first = load_or_fail(file, options, _BASE)
    config = first.config
    if not config.graph.is_set:
        fail(
            BAD_INPUT, "Give SDL files, --subgraph NAME=URL (repeatable), --input FILE, or --config FILE with a graph."
        )
    configure(config.log.format, config.log.level)
    try:
        listener = bind(config.server.host, config.server.port)
    except PortTakenError as error:
        fail(PORT_TAKEN, str(error))
    with listener:
        from botberi_gateway.server.reloading import Reloader

        reloader = None if file is None else Reloader(first, partial(read_config, file, options, _BASE))
        address = announce(listener, config)
        opens = values["open_browser"]
        if sys.stderr.isatty() if opens is None else opens:
            webbrowser.open(address.rstrip("/") + config.server.path)
        run(_serve(config, listener, reloader))


async def _serve(config: GatewayConfig, listener: Any, reloader: Any) -> None:
    from starlette.routing import Route

    from botberi_gateway.schema_delivery import SchemaDelivery
    from botberi_gateway.server import create_app
    from botberi_gateway.server.run import serve

    delivery = SchemaDelivery(config.graph, config.engine, report=report_of(config.graph, colour=False))
    gateway = await delivery.begin_in_any_case()
    page = Route("/", partial(_page, delivery, gateway, config.server.path))
    config = replace(config, server=replace(config.server, access_log=False))
    await serve(create_app(gateway, config, routes=[page], delivery=delivery, reloader=reloader), listener, config)


async def _page(delivery: "SchemaDelivery", gateway: "Gateway", path: str, _: Request) -> HTMLResponse:
    """The state of the graph: what is wrong with it, and which subgraphs are there. It loads itself again."""
    status = delivery.status
    parts = [f'<p><a href="{html.escape(path)}">GraphiQL</a></p>']
    if status.refused is not None:
        parts.append(
            f"<h2>The newest graph is refused, the one before it is served</h2><pre>{_text(status.refused)}</pre>"
        )
    parts += [
        f"<h2>The schema of {_text(name)} can't be read</h2><pre>{_text(reason)}</pre>"
        for name, reason in status.unavailable.items()
    ]
    rows = "".join(
        f"<tr><td>{_text(name)}</td><td>{_text(state)}</td></tr>" for name, state in states(delivery, gateway)
    )
    parts.append(f"<h2>Subgraphs</h2><table>{rows}</table>")
    body = "".join(parts)
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="2">'
        f"<title>botberi-gateway dev</title><style>{_STYLE}</style><h1>botberi-gateway dev</h1>{body}</html>"
    )
    return HTMLResponse(text, headers={"content-security-policy": _POLICY, "cache-control": "no-store"})


def states(delivery: "SchemaDelivery", gateway: "Gateway") -> Sequence[tuple[str, str]]:
    """Each configured subgraph, and how it is answered for now."""
    from botberi_gateway.upstream.mock import FallbackClient

    found = []
    for name, subgraph in delivery.graph.subgraphs.items():
        client = gateway.clients.get(name)
        if client is None:
            state = "not in the graph that is served"
        elif subgraph.url is None and subgraph.app is None:
            state = "mocked: it has no URL"
        elif isinstance(client, FallbackClient) and client.is_absent:
            state = f"mocked: {subgraph.url} can't be reached"
        else:
            state = subgraph.url or f"in this process: {subgraph.app}"
        found.append((name, state))
    return found


def _text(text: str) -> str:
    return html.escape(text)
