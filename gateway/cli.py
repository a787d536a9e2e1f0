"""`python -m gateway`: serve · compose · plan. They need nothing but the gateway itself."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

# The engine is imported where it is used: `--help` and a mistyped option answer at once.
if TYPE_CHECKING:
    from gateway.engine import Gateway, SubgraphSource

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="A GraphQL federation gateway for any graph.",
)

#: Exit statuses, beside 0. 2 is also what typer itself says for wrong options.
INVALID_GRAPH: Final = 1
BAD_INPUT: Final = 2
PORT_TAKEN: Final = 3


class LogFormat(StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


SupergraphOption = Annotated[Path | None, typer.Option(help="Supergraph SDL (join specification v0.1 to v0.5).")]
SubgraphOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=URL",
        help="A running subgraph; its SDL is asked of it. With --supergraph: its address. Repeatable.",
    ),
]
SubgraphsOption = Annotated[
    Path | None, typer.Option(help="JSON file: a list of {name, url, sdl}; without sdl it is asked of the subgraph.")
]


def main() -> None:
    """The console's way in."""
    app()


@app.command()
def serve(
    supergraph: SupergraphOption = None,
    subgraph: SubgraphOption = None,
    subgraphs: SubgraphsOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes any free one.")] = 8080,
    path: Annotated[str, typer.Option(help="Where GraphQL and GraphiQL are.")] = "/graphql",
    allow_origin: Annotated[
        list[str] | None, typer.Option(help="Web page's origin that may call from a browser. Repeatable.")
    ] = None,
    forward_header: Annotated[
        list[str] | None, typer.Option(help="Request header that subgraphs get too. Repeatable.")
    ] = None,
    graphiql: Annotated[bool, typer.Option(help="Serve GraphiQL to browsers.")] = True,
    metrics: Annotated[bool, typer.Option(help="Serve /metrics.")] = True,
    access_log: Annotated[bool, typer.Option(help="A log line for each request.")] = True,
    log_format: Annotated[LogFormat, typer.Option(help="How log lines look.")] = LogFormat.TEXT,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Serve a federated graph: POST /graphql, GET /health."""
    from gateway.server import PortTakenError, ServerConfig, bind
    from gateway.server.logs import configure
    from gateway.transport.settings import TransportSettings

    if log_level.lower() not in ("debug", "info", "warning", "error"):
        _fail(BAD_INPUT, f"--log-level {log_level!r} is none of debug, info, warning, error.")
    if not path.startswith("/"):
        _fail(BAD_INPUT, f"--path {path!r} does not begin with a slash.")
    configure(log_format.value, log_level)
    defaults = TransportSettings()
    config = ServerConfig(
        path=path,
        transport=TransportSettings(
            allowed_origins=tuple(allow_origin or ()),
            forward_headers=(*defaults.forward_headers, *(forward_header or ())),
            graphiql=graphiql,
        ),
        metrics=metrics,
        access_log=access_log,
    )
    given = _one_of(supergraph, subgraph, subgraphs)
    # Before the graph is looked at: a taken port is the commoner mistake, and the quicker to tell.
    try:
        listener = bind(host, port)
    except PortTakenError as error:
        _fail(PORT_TAKEN, str(error))
    with listener:
        gateway = _load(given)
        _run(_serve(gateway, listener, config))


@app.command()
def compose(
    subgraph: SubgraphOption = None,
    subgraphs: SubgraphsOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File for the supergraph SDL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print {ok, supergraph, errors, hints} as JSON.")] = False,
) -> None:
    """Compose subgraphs to a supergraph. `--subgraph name=FILE` takes an SDL file as well as a URL."""
    from gateway.composition import Subgraph
    from gateway.composition import compose as compose_subgraphs

    sources = _run(_sources(_one_of(None, subgraph, subgraphs)))
    result = compose_subgraphs([Subgraph(name=n, sdl=s.sdl, url=s.url) for n, s in sources.items()])
    if as_json:
        answer = {
            "ok": result.ok,
            "supergraph": result.supergraph_sdl,
            "errors": [problem.as_dict() for problem in result.errors],
            "hints": [problem.as_dict() for problem in result.hints],
        }
        typer.echo(json.dumps(answer, indent=2))
    else:
        for problem in (*result.hints, *result.errors):
            typer.echo(describe_problem(problem), err=True)
    if not result.ok:
        if not as_json:
            typer.echo(f"The subgraphs do not compose: {len(result.errors)} errors.", err=True)
        raise typer.Exit(INVALID_GRAPH)
    if output is not None:
        try:
            output.write_text(result.supergraph_sdl or "", "utf-8")
        except OSError as error:
            _fail(BAD_INPUT, f"{output} can't be written: {error.strerror}.")
    elif not as_json:
        typer.echo(result.supergraph_sdl)


@app.command()
def plan(
    supergraph: Annotated[Path, typer.Option(help="Supergraph SDL.")],
    query: Annotated[Path, typer.Option(help="File with the GraphQL document; - reads standard input.")],
    operation: Annotated[str | None, typer.Option(help="Name of the operation, where there are several.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Apollo's query-plan JSON.")] = False,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="A flowchart for Mermaid.")] = False,
) -> None:
    """Show how an operation would be fetched."""
    from gateway.errors import GatewayError, RequestError
    from gateway.operation import prepare
    from gateway.planner import build_plan
    from gateway.supergraph import Supergraph

    try:
        graph = Supergraph.from_sdl(_read(supergraph))
        text = sys.stdin.read() if str(query) == "-" else _read(query)
        made = build_plan(graph, prepare(graph.api_schema, text, operation))
    except RequestError as error:
        _fail(INVALID_GRAPH, "\n".join(f"{entry.code}: {entry.message}" for entry in error.errors))
    except GatewayError as error:
        _fail(INVALID_GRAPH, f"{error.code}: {error.message}")
    typer.echo(json.dumps(made.to_json(), indent=2) if as_json else made.to_mermaid() if mermaid else str(made))


def describe_problem(problem: Any) -> str:
    """An error or hint of composition with its places, on one line each."""
    places = ", ".join(f"{at.subgraph}:{at.line}:{at.column}" for at in problem.locations)
    return f"{problem.level} {problem.code}: {problem.message}{f' ({places})' if places else ''}"


Given = tuple[Path | None, Sequence[str], Path | None]


def _one_of(supergraph: Path | None, subgraph: Sequence[str] | None, subgraphs: Path | None) -> Given:
    if sum((supergraph is not None, bool(subgraph) and supergraph is None, subgraphs is not None)) != 1:
        _fail(BAD_INPUT, "Give one of --supergraph FILE, --subgraph NAME=URL (repeatable), --subgraphs FILE.json.")
    return supergraph, subgraph or (), subgraphs


def _load(given: Given) -> "Gateway":
    from gateway.engine import CompositionError, Gateway
    from gateway.errors import GatewayError

    try:
        if given[0] is not None:
            addresses = {name: url for name, url, _ in _entries((None, given[1], None)) if url is not None}
            return Gateway.from_supergraph(_read(given[0]), addresses)
        return Gateway.from_subgraphs(_run(_sources(given)))
    except CompositionError as error:
        lines = "\n".join(describe_problem(problem) for problem in error.errors)
        _fail(INVALID_GRAPH, f"The subgraphs do not compose:\n{lines}")
    except GatewayError as error:
        _fail(INVALID_GRAPH, f"{error.code}: {error.message}")


async def _sources(given: Given) -> "dict[str, SubgraphSource]":
    from gateway.engine import SubgraphSource, fetch_sdl
    from gateway.errors import GatewayError
    from gateway.upstream import HttpClient

    wanted = _entries(given)

    async def complete(name: str, url: str | None, sdl: str | None) -> tuple[str, SubgraphSource]:
        if sdl is None:
            assert url is not None
            client = HttpClient(name, url)
            try:
                sdl = await fetch_sdl(name, client)
            finally:
                await client.aclose()
        return name, SubgraphSource(sdl, url=url)

    try:
        return dict(await asyncio.gather(*(complete(*entry) for entry in wanted)))
    except GatewayError as error:
        _fail(INVALID_GRAPH, f"{error.code}: {error.message}")


def _entries(given: Given) -> list[tuple[str, str | None, str | None]]:
    _, pairs, file = given
    found: list[tuple[str, str | None, str | None]] = []
    for pair in pairs:
        name, separator, place = pair.partition("=")
        if not separator or not name or not place:
            _fail(BAD_INPUT, f"--subgraph {pair!r} is not NAME=URL.")
        if place.startswith(("http://", "https://")):
            found.append((name, place, None))
        else:
            found.append((name, None, _read(Path(place))))
    if file is not None:
        found += [_entry(file, index, entry) for index, entry in enumerate(_list_in(file))]
    names = [name for name, _, _ in found]
    if len(set(names)) != len(names):
        _fail(BAD_INPUT, "Two subgraphs have the same name.")
    return found


def _list_in(file: Path) -> list[Any]:
    try:
        parsed = json.loads(_read(file))
    except ValueError as error:
        _fail(BAD_INPUT, f"{file} is not valid JSON: {error}.")
    if not isinstance(parsed, list) or not parsed:
        _fail(BAD_INPUT, f"{file} is not a list of {{name, url, sdl}}.")
    return parsed


def _entry(file: Path, index: int, entry: Any) -> tuple[str, str | None, str | None]:
    fields: Mapping[str, Any] = entry if isinstance(entry, dict) else {}
    name, url, sdl = fields.get("name"), fields.get("url"), fields.get("sdl")
    texts = (isinstance(url, str) or url is None) and (isinstance(sdl, str) or sdl is None)
    if not isinstance(name, str) or not name or not texts or (url is None and sdl is None):
        _fail(BAD_INPUT, f"{file}: entry {index} needs a name, a url, and may have an sdl, all strings.")
    return name, url, sdl


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        _fail(BAD_INPUT, f"{path} can't be read: {error.strerror}.")
    except UnicodeDecodeError:
        _fail(BAD_INPUT, f"{path} is not UTF-8 text.")


async def _serve(gateway: "Gateway", listener: Any, config: Any) -> None:
    from gateway.server import create_app
    from gateway.server.run import serve as serve_app

    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    typer.echo(f"The gateway serves http://{shown}:{port}{config.path}", err=True)
    await serve_app(create_app(gateway, config), listener, config)


def _run(work: Any) -> Any:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


def _fail(status: int, message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(status)
