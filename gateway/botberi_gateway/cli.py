"""`botberi-gateway`: serve · compose · check · contract · plan · inspect. They need nothing but the gateway itself."""

import gc
import json
from collections.abc import Sequence
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from botberi_gateway.commands.console import BAD_INPUT, INVALID_GRAPH, PORT_TAKEN, fail, read, run
from botberi_gateway.commands.options import OF_OPERATION, FailOn, Filter, Format, Stage
from botberi_gateway.commands.sources import Source, gather, listed
from botberi_gateway.config import (
    EngineConfig,
    ExecutionBudget,
    GatewayConfig,
    OperationLimits,
    ServerConfig,
    TransportConfig,
)

# The engine is imported where it is used: `--help` and a mistyped option answer at once.
if TYPE_CHECKING:
    from botberi_gateway.engine import Gateway
    from botberi_gateway.supergraph import Supergraph

DEFAULTS: Final = GatewayConfig()

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="A GraphQL federation gateway for any graph.",
)


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
InputOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--input",
        "--subgraphs",
        help="List of {name, url, sdl | file} in JSON or YAML; without sdl or file the subgraph is asked for its SDL. "
        "Repeatable.",
    ),
]
FilesArgument = Annotated[list[Path] | None, typer.Argument(help="SDL files, named as their subgraphs.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OutputOption = Annotated[Path | None, typer.Option("--output", "-o", help="File for the supergraph SDL.")]
FormatOption = Annotated[Format, typer.Option("--format", help="How problems are printed.")]
IncludeOption = Annotated[
    list[str] | None, typer.Option("--include-tag", help="Keep what has this @tag alone. Repeatable.")
]
ExcludeOption = Annotated[list[str] | None, typer.Option("--exclude-tag", help="Hide what has this @tag. Repeatable.")]
UnreachableOption = Annotated[bool, typer.Option(help="With tags: hide types that nothing leads to any more.")]
NameOption = Annotated[
    str | None, typer.Option("--operation", help="Name of the operation, where the document has several.")
]


def _print_version(requested: bool) -> None:
    if requested:
        print(f"botberi-gateway {version('botberi-gateway')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Options of the command line itself."""


def main() -> None:
    """The console's way in."""
    app()


@app.command()
def serve(
    supergraph: SupergraphOption = None,
    subgraph: SubgraphOption = None,
    subgraphs: InputOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes any free one.")] = 8080,
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Processes that serve, each with caches of its own: one for each core.")
    ] = 1,
    path: Annotated[str, typer.Option(help="Where GraphQL and GraphiQL are.")] = DEFAULTS.server.path,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            help="Origin of web pages that may call from a browser, such as https://app.example; '*': every origin, "
            "without cookies. Repeatable."
        ),
    ] = None,
    public_url: Annotated[
        str | None,
        typer.Option(
            help="Where clients reach it (https://graph.example): its host is ours to browsers; https adds HSTS."
        ),
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(help="Address or network of a proxy whose X-Forwarded-For or Forwarded counts. Repeatable."),
    ] = None,
    forward_header: Annotated[
        list[str] | None, typer.Option(help="Request header that subgraphs get too. Repeatable.")
    ] = None,
    graphiql: Annotated[bool, typer.Option(help="Serve GraphiQL to browsers.")] = True,
    introspection: Annotated[
        bool, typer.Option(help="Answer __schema and __type; without it GraphiQL shows no documentation.")
    ] = True,
    max_cost: Annotated[
        int, typer.Option(min=1, help="Objects that an answer may have, as estimated before anything is fetched.")
    ] = DEFAULTS.engine.operation.max_cost,
    max_mutations: Annotated[
        int, typer.Option(min=1, help="Mutations in one document.")
    ] = DEFAULTS.engine.operation.max_root_mutations,
    max_answer_bytes: Annotated[
        int, typer.Option(min=1, help="Bytes of the subgraphs' answers to one operation, together.")
    ] = DEFAULTS.engine.budget.max_answer_bytes,
    max_entities: Annotated[
        int, typer.Option(min=1, help="Entities that one operation may ask subgraphs for.")
    ] = DEFAULTS.engine.budget.max_entities,
    max_fields: Annotated[
        int, typer.Option(min=1, help="Fields of list items that one operation may make.")
    ] = DEFAULTS.engine.budget.max_fields,
    max_response_bytes: Annotated[
        int, typer.Option(min=1, help="Bytes of one response.")
    ] = DEFAULTS.engine.budget.max_response_bytes,
    allow_unenforced: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FEATURE",
            help="Serve a graph with this security feature (such as authenticated) though nothing here enforces it. "
            "Repeatable.",
        ),
    ] = None,
    metrics: Annotated[bool, typer.Option(help="Serve /metrics.")] = True,
    access_log: Annotated[bool, typer.Option(help="A log line for each request.")] = True,
    max_cached_operations: Annotated[
        int, typer.Option(min=1, help="Operations kept ready (parsed, validated, planned); more are made again.")
    ] = DEFAULTS.engine.max_cached_operations,
    executor: Annotated[
        str, typer.Option(help="compiled, interpreted, or both (what differs is an error; for tests).")
    ] = "compiled",
    share_queries: Annotated[bool, typer.Option(help="Execute equal queries that run at the same time once.")] = False,
    share_subgraph_requests: Annotated[
        bool, typer.Option(help="Send equal queries to a subgraph that run at the same time once.")
    ] = False,
    error_extension: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="Key of extensions in subgraphs' errors that clients get too. Repeatable."),
    ] = None,
    log_format: Annotated[LogFormat, typer.Option(help="How log lines look.")] = LogFormat.TEXT,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Serve a federated graph: POST /graphql, GET /health."""
    # Hundreds of modules and a supergraph are made, and none of it is garbage; `server.memory.settle` turns it on
    # again.
    gc.disable()
    from botberi_gateway.server import PortTakenError, bind
    from botberi_gateway.server.logs import configure
    from botberi_gateway.transport.client import ClientResolver
    from botberi_gateway.transport.identity import check_forwarded
    from botberi_gateway.transport.origin import OriginPolicy

    if log_level.lower() not in ("debug", "info", "warning", "error"):
        fail(BAD_INPUT, f"--log-level {log_level!r} is none of debug, info, warning, error.")
    if executor not in ("compiled", "interpreted", "both"):
        fail(BAD_INPUT, f"--executor {executor!r} is none of compiled, interpreted, both.")
    if not path.startswith("/"):
        fail(BAD_INPUT, f"--path {path!r} does not begin with a slash.")
    try:
        ClientResolver(trusted_proxy or ())
    except ValueError as error:
        fail(BAD_INPUT, f"--trusted-proxy: {error}")
    try:
        OriginPolicy.of(TransportConfig(allowed_origins=tuple(allow_origin or ())))
    except ValueError as error:
        fail(BAD_INPUT, f"--allow-origin: {error}")
    if public_url is not None and not public_url.lower().startswith(("http://", "https://")):
        fail(BAD_INPUT, f"--public-url {public_url!r} is no http or https URL.")
    try:
        check_forwarded(forward_header or ())
    except ValueError as error:
        fail(BAD_INPUT, f"--forward-header: {error}")
    configure(log_format.value, log_level)
    config = GatewayConfig(
        server=ServerConfig(
            path=path,
            metrics=metrics,
            share_subgraph_requests=share_subgraph_requests,
            access_log=access_log,
        ),
        transport=TransportConfig(
            allowed_origins=tuple(allow_origin or ()),
            trusted_proxies=tuple(trusted_proxy or ()),
            public_url=public_url,
            forward_headers=(*DEFAULTS.transport.forward_headers, *(forward_header or ())),
            graphiql=graphiql,
            share_queries=share_queries,
        ),
        engine=EngineConfig(
            max_cached_operations=max_cached_operations,
            operation=OperationLimits(
                allow_introspection=introspection, max_cost=max_cost, max_root_mutations=max_mutations
            ),
            budget=ExecutionBudget(
                max_answer_bytes=max_answer_bytes,
                max_entities=max_entities,
                max_fields=max_fields,
                max_response_bytes=max_response_bytes,
            ),
        ),
    )
    given = _one_of(supergraph, subgraph, subgraphs)
    # Before the graph is looked at: a taken port is the commoner mistake, and the quicker to report.
    try:
        listener = bind(host, port)
    except PortTakenError as error:
        fail(PORT_TAKEN, str(error))
    with listener:
        gateway = _load(
            given,
            config=config.engine,
            executor=executor,
            allow_unenforced=allow_unenforced or (),
            error_extensions=error_extension or (),
        )
        _announce(listener, config.server)
        if workers > 1:
            raise typer.Exit(_serve_by_workers(gateway, listener, config, workers))
        run(_serve(gateway, listener, config))


@app.command()
def compose(
    files: FilesArgument = None,
    subgraph: SubgraphOption = None,
    subgraphs: InputOption = None,
    output: OutputOption = None,
    form: FormatOption = Format.TEXT,
    as_json: Annotated[
        bool, typer.Option("--json", help="Short for --format json: {ok, supergraph, errors, hints}.")
    ] = False,
    include_tag: IncludeOption = None,
    exclude_tag: ExcludeOption = None,
    hide_unreachable: UnreachableOption = False,
) -> None:
    """Compose subgraphs to a supergraph. Exit code 0: composed; 1: errors; 2: the input can't be read."""
    from botberi_gateway.commands.compose import compose as command

    sources = _sources(subgraph, subgraphs, files)
    filters = Filter(include_tag or (), exclude_tag or (), hide_unreachable)
    command(sources, filters, Format.JSON if as_json else form, output)


@app.command()
def contract(
    supergraph: Annotated[Path, typer.Argument(help="Supergraph SDL; - reads standard input.")],
    output: OutputOption = None,
    form: FormatOption = Format.TEXT,
    include_tag: IncludeOption = None,
    exclude_tag: ExcludeOption = None,
    hide_unreachable: UnreachableOption = False,
) -> None:
    """Make the variant of a supergraph that clients with these tags see."""
    from botberi_gateway.commands.compose import contract_of

    filters = Filter(include_tag or (), exclude_tag or (), hide_unreachable)
    if not filters:
        fail(BAD_INPUT, "Give --include-tag, --exclude-tag or --hide-unreachable.")
    contract_of(supergraph, filters, form, output)


@app.command()
def check(
    old: Annotated[Path, typer.Argument(help="Supergraph SDL, list of subgraphs, or folder of their SDL files.")],
    new: Annotated[Path, typer.Argument(help="The same of what is to come.")],
    as_json: JsonOption = False,
    fail_on: Annotated[FailOn, typer.Option(help="Mildest class of changes that gives exit code 1.")] = FailOn.BREAKING,
) -> None:
    """Say what a change of the graph means for its clients: breaking, dangerous, safe."""
    from botberi_gateway.commands.check import check as command

    command(old, new, fail_on, as_json=as_json)


@app.command()
def plan(
    supergraph: Annotated[Path, typer.Option(help="Supergraph SDL.")],
    query: Annotated[Path, typer.Option(help="File with the GraphQL document; - reads standard input.")],
    operation: NameOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Apollo's query-plan JSON.")] = False,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="A flowchart for Mermaid.")] = False,
) -> None:
    """Show how an operation would be fetched."""
    from botberi_gateway.errors import GatewayError
    from botberi_gateway.operation import prepare
    from botberi_gateway.planner import build_plan

    try:
        graph = _supergraph(supergraph)
        query_plan = build_plan(graph, prepare(graph.api_schema, read(query), operation))
    except GatewayError as error:
        _refuse(error)
    typer.echo(
        json.dumps(query_plan.to_json(), indent=2)
        if as_json
        else query_plan.to_mermaid()
        if mermaid
        else str(query_plan)
    )


@app.command()
def inspect(
    stage: Annotated[Stage, typer.Argument(help="What to look at.")],
    files: Annotated[list[Path] | None, typer.Argument(help="Subgraphs' SDL files, in place of a supergraph.")] = None,
    supergraph: SupergraphOption = None,
    subgraph: SubgraphOption = None,
    subgraphs: InputOption = None,
    query: Annotated[Path | None, typer.Option(help="File with the GraphQL document; - reads standard input.")] = None,
    operation: NameOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one stage: the supergraph, its query graph, an operation as planned, its fetches, its plan."""
    from botberi_gateway.commands.compose import composed
    from botberi_gateway.commands.inspect import inspect as data
    from botberi_gateway.commands.inspect import text_of
    from botberi_gateway.errors import GatewayError

    if stage in OF_OPERATION and query is None:
        fail(BAD_INPUT, f"inspect {stage} needs --query FILE.")
    graph = _supergraph(supergraph) if supergraph is not None else composed(_sources(subgraph, subgraphs, files))
    text = read(query) if query is not None and stage in OF_OPERATION else None
    try:
        if as_json:
            typer.echo(json.dumps(data(stage, graph, text, operation), indent=2))
        else:
            typer.echo(text_of(stage, graph, text, operation))
    except GatewayError as error:
        _refuse(error)


def _supergraph(path: Path) -> "Supergraph":
    from botberi_gateway.commands.compose import load_supergraph

    return load_supergraph(path)


def _refuse(error: Any) -> NoReturn:
    """A `GatewayError` in words: all of a request's errors."""
    entries = getattr(error, "errors", ())
    fail(INVALID_GRAPH, "\n".join(f"{e.code}: {e.message}" for e in entries) or f"{error.code}: {error.message}")


def _sources(
    subgraph: Sequence[str] | None, subgraphs: Sequence[Path] | None, files: Sequence[Path] | None
) -> list[Source]:
    if not (subgraph or subgraphs or files):
        fail(BAD_INPUT, "Give SDL files, --subgraph NAME=URL (repeatable), or --input FILE (a list in JSON or YAML).")
    return gather(subgraph or (), subgraphs or (), files or ())


Given = tuple[Path | None, Sequence[str], Sequence[Path]]


def _one_of(supergraph: Path | None, subgraph: Sequence[str] | None, subgraphs: Sequence[Path] | None) -> Given:
    if sum((supergraph is not None, bool(subgraph) and supergraph is None, bool(subgraphs))) != 1:
        fail(BAD_INPUT, "Give one of --supergraph FILE, --subgraph NAME=URL (repeatable), --subgraphs FILE.json.")
    return supergraph, subgraph or (), subgraphs or ()


def _load(given: Given, *, executor: str, **options: Any) -> "Gateway":
    """The gateway; `options` are those of `Gateway`."""
    from botberi_gateway.engine import CompositionError, Gateway, SubgraphSource
    from botberi_gateway.errors import GatewayError
    from botberi_gateway.executor import ExecutorKind

    supergraph, pairs, lists = given
    options["executor"] = ExecutorKind(executor)
    try:
        if supergraph is not None:
            addresses = {source.name: source.url for source in listed(pairs) if source.url is not None}
            return Gateway.from_supergraph(read(supergraph), addresses, **options)
        sources = gather(pairs, lists)
        subgraphs = {s.name: SubgraphSource(s.sdl or "", url=s.url) for s in sources}
        return Gateway.from_subgraphs(subgraphs, **options)
    except CompositionError as error:
        from botberi_gateway.commands.compose import report, subgraphs_of

        fail(INVALID_GRAPH, f"The subgraphs do not compose:\n{report(error.errors, sources, subgraphs_of(sources))}")
    except GatewayError as error:
        fail(INVALID_GRAPH, f"{error.code}: {error.message}")


async def _serve(gateway: "Gateway", listener: Any, config: GatewayConfig) -> None:
    from botberi_gateway.server import create_app
    from botberi_gateway.server.run import serve as serve_app

    await serve_app(create_app(gateway, config), listener, config)


def _serve_by_workers(gateway: "Gateway", listener: Any, config: GatewayConfig, count: int) -> int:
    from botberi_gateway.server import create_app
    from botberi_gateway.server.worker import work
    from botberi_gateway.server.workers import Workers

    def serve_one(channel: Any, folder: Path) -> None:
        run(work(create_app(gateway, config), channel, folder, config))

    return Workers(
        count, listener, serve_one, config.server.drain_delay_seconds, config.server.drain_timeout_seconds
    ).run()


def _announce(listener: Any, config: ServerConfig) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    typer.echo(f"The gateway serves http://{shown}:{port}{config.path}", err=True)
