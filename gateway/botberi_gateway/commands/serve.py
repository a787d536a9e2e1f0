"""`serve`: a configuration's file, the environment and options -> a gateway that listens."""

import gc
import inspect
import os
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Sequence as AbstractSequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args, get_origin

import typer

from botberi_gateway.commands.console import BAD_INPUT, INVALID_GRAPH, PORT_TAKEN, fail, run
from botberi_gateway.commands.sources import Source, listed
from botberi_gateway.config import GatewayConfig, GraphConfig, NamedGraphConfig
from botberi_gateway.config.load import Loaded, kind_at, load, shape_of
from botberi_gateway.config.problem import ConfigError
from botberi_gateway.config.setting import Setting, settings_of

# The engine is imported where it is used: `--help` and a mistyped option answer at once.
if TYPE_CHECKING:
    from botberi_gateway.engine import Gateway
    from botberi_gateway.schema_delivery import SchemaDelivery
    from botberi_gateway.schema_delivery.delivery import Report
    from botberi_gateway.server.graphs import NamedGraph

ConfigOption = Annotated[
    Path | None,
    typer.Option(help="Configuration in YAML or JSON; `botberi-gateway config` checks and explains it."),
]
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
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Any value of the configuration, such as engine.operation.max_depth=20. Repeatable.",
    ),
]

#: How long after the start a worker is one of the first.
_FRESH_SECONDS: Final = 2.0
#: The options of `serve` that aren't values of the tree.
_OWN: Final[Mapping[str, Any]] = {
    "config": ConfigOption,
    "supergraph": SupergraphOption,
    "subgraph": SubgraphOption,
    "subgraphs": InputOption,
    "set_": SetOption,
}


def with_options(**further: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of `serve`: its own, one for each setting of the tree that names one, and `further`.

    What they mean and their defaults are the tree's. An option that isn't given leaves the file's value. `further` are
    annotations by parameter.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        annotations = {**further, **_OWN, **{_name_of(entry.path): _annotation(entry) for entry in _settings()}}
        parameters = [_parameter(name, kind) for name, kind in annotations.items()]
        command.__signature__ = inspect.Signature(parameters, return_annotation=None)  # type: ignore[attr-defined]
        command.__annotations__ = {**annotations, "return": None}
        return command

    return decorate


def _settings() -> list[Setting]:
    return [entry for entry in settings_of(GatewayConfig()) if isinstance(entry, Setting) and entry.option is not None]


def _name_of(path: str) -> str:
    return path.replace(".", "__")


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    default = False if annotation.__origin__ is bool else None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _annotation(entry: Setting) -> Any:
    assert entry.option is not None
    kind = kind_at(tuple(entry.path.split(".")))
    help_text = entry.meaning.replace("`", "")
    if shape_of(kind) is AbstractSequence:
        value: Any = list[str] | None
        help_text += " Repeatable."
    elif kind in (bool, int, float):
        value = kind | None
    else:
        value = str | None
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    metavar = "|".join(choices) if choices else {int: "N", float: "SECONDS", bool: None}.get(kind, "TEXT")
    shown = entry.default
    if isinstance(shown, bool):
        shown = entry.option.partition("/")[0 if shown else 2].removeprefix("--") or None
    if isinstance(shown, int | float | str) and shown != "":
        help_text += f" [default: {shown}]"
    return Annotated[value, typer.Option(entry.option, help=help_text, metavar=metavar, show_default=False)]


def load_or_fail(file: Path | None, options: Mapping[str, Any], base: GatewayConfig | None = None) -> Loaded:
    """The configuration; ends the command where something is wrong with it."""
    try:
        return read_config(file, options, base)
    except ConfigError as error:
        fail(BAD_INPUT, str(error))


def options_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the command line gives, as paths of the tree and their values."""
    options: dict[str, Any] = {}
    for entry in _settings():
        value = values[_name_of(entry.path)]
        if value is not None and value != []:
            options[entry.path] = value
    for pair in values["set_"] or ():
        path, separator, value = pair.partition("=")
        if not separator:
            fail(BAD_INPUT, f"--set {pair!r} is not PATH=VALUE.")
        options[path.strip()] = value
    files = values.get("files") or ()
    options.update(_graph(values["supergraph"], values["subgraph"] or (), values["subgraphs"] or (), files))
    return options


def _graph(
    supergraph: Path | None, pairs: Sequence[str], lists: Sequence[Path], files: Sequence[Path]
) -> dict[str, Any]:
    if supergraph is not None and lists:
        fail(BAD_INPUT, "Give one of --supergraph FILE, --subgraph NAME=URL (repeatable), --subgraphs FILE.json.")
    options: dict[str, Any] = {}
    if supergraph is not None:
        options["graph.supergraph"] = {"file": str(supergraph)}
    sources = listed(pairs, lists, files)
    if sources:
        options["graph.subgraphs"] = {source.name: _subgraph(source) for source in sources}
    return options


def _subgraph(source: Source) -> dict[str, Any]:
    values: dict[str, Any] = {"url": source.url}
    if source.file is not None:
        values["schema"] = {"file": source.file}
    elif source.sdl is not None:
        values["schema"] = {"sdl": source.sdl}
    elif source.ask != source.url:
        values["introspection_url"] = source.ask
    return {key: value for key, value in values.items() if value is not None}


def serve(values: Mapping[str, Any]) -> None:
    """Serve until SIGTERM or SIGINT. Ends the command with a sentence and a status where it can't."""
    # Hundreds of modules and a supergraph are made, and none of it is garbage; `server.memory.settle` turns it on
    # again.
    gc.disable()
    from botberi_gateway.server import PortTakenError, bind
    from botberi_gateway.server.logs import configure

    options = options_of(values)
    first = load_or_fail(values["config"], options)
    config = first.config
    if not config.graph.is_set:
        fail(
            BAD_INPUT,
            "Give one of --supergraph FILE, --subgraph NAME=URL (repeatable), --subgraphs FILE.json, or --config FILE "
            "with a graph.",
        )
    configure(config.log.format, config.log.level)
    # Before the graph is looked at: a taken port is the commoner mistake, and the quicker to report.
    try:
        listener = bind(config.server.host, config.server.port)
    except PortTakenError as error:
        fail(PORT_TAKEN, str(error))
    with listener:
        from botberi_gateway.schema_delivery import SchemaDelivery
        from botberi_gateway.server.reloading import Reloader

        delivery = SchemaDelivery(config.graph, config.engine, report=report_of(config.graph))
        gateway = _gateway(delivery)
        graphs = [_named(name, graph, config) for name, graph in config.graphs.items()]
        reloader = (
            None if values["config"] is None else Reloader(first, partial(read_config, values["config"], options))
        )
        parts = {"delivery": delivery, "reloader": reloader, "graphs": graphs}
        announce(listener, config)
        if config.server.workers > 1:
            raise typer.Exit(_serve_by_workers(gateway, listener, config, parts))
        run(_serve(gateway, listener, config, parts))


def read_config(file: Path | None, options: Mapping[str, Any], base: GatewayConfig | None = None) -> Loaded:
    """The configuration as it is now. Raises `ConfigError`."""
    from botberi_gateway.server.checks import CHECKS

    return load(file, environ=os.environ, options=options, base=base, checks=CHECKS)


def _gateway(delivery: "SchemaDelivery") -> "Gateway":
    from botberi_gateway.engine import CompositionError
    from botberi_gateway.errors import GatewayError
    from botberi_gateway.schema_delivery import UNREADABLE, DeliveryError

    try:
        return run(delivery.begin())
    except DeliveryError as error:
        if all(code == UNREADABLE for code, _ in error.problems):
            fail(BAD_INPUT, "\n".join(message for _, message in error.problems))
        advice = "Start what is down, correct its URL, give its SDL in a file, or wait for it with --wait."
        fail(INVALID_GRAPH, f"{error}\n{advice}")
    except CompositionError as error:
        fail(INVALID_GRAPH, f"The subgraphs do not compose:\n{delivery.report(error.errors)}")
    except GatewayError as error:
        fail(INVALID_GRAPH, f"{error.code}: {error.message}")


def _named(name: str, graph: NamedGraphConfig, config: GatewayConfig) -> "NamedGraph":
    from botberi_gateway.schema_delivery import SchemaDelivery
    from botberi_gateway.server.graphs import NamedGraph

    delivery = SchemaDelivery(graph, config.engine, name=name, report=report_of(graph))
    return NamedGraph(name, _gateway(delivery), delivery, graph.path, graph.header)


def report_of(graph: GraphConfig, *, colour: bool | None = None) -> "Report":
    """Composition's errors as text for people, with the subgraphs' files. By default coloured as the terminal is."""
    from botberi_gateway.commands.compose import report, subgraphs_of

    def write(texts: Mapping[str, str], problems: Sequence[Any]) -> str:
        files = {name: subgraph.schema.file for name, subgraph in graph.subgraphs.items()}
        sources = [
            Source(name, sdl, file=None if files.get(name) is None else str(files[name])) for name, sdl in texts.items()
        ]
        return report(problems, sources, subgraphs_of(sources), colour=colour)

    return write


async def _serve(gateway: "Gateway", listener: Any, config: GatewayConfig, parts: Mapping[str, Any]) -> None:
    from botberi_gateway.plugins import PluginError
    from botberi_gateway.server import create_app
    from botberi_gateway.server.run import serve as serve_app

    try:
        app = create_app(gateway, config, **parts)
    except PluginError as error:
        fail(BAD_INPUT, str(error))
    await serve_app(app, listener, config)


def _serve_by_workers(gateway: "Gateway", listener: Any, config: GatewayConfig, parts: Mapping[str, Any]) -> int:
    from botberi_gateway.server import create_app
    from botberi_gateway.server.worker import work
    from botberi_gateway.server.workers import Workers

    began = time.monotonic()

    def serve_one(channel: Any, folder: Path) -> None:
        # A worker that takes another's place was forked from the parent, which has the first graph and configuration.
        if time.monotonic() - began > _FRESH_SECONDS:
            parts["delivery"].look_now()
            if parts["reloader"] is not None:
                parts["reloader"].ask()
        run(work(create_app(gateway, config, **parts), channel, folder, config))

    server = config.server
    return Workers(
        server.workers,
        listener,
        serve_one,
        server.drain_delay_seconds,
        server.drain_timeout_seconds,
        reloads=parts["reloader"] is not None,
    ).run()


def announce(listener: Any, config: GatewayConfig) -> str:
    """Say where the gateway listens. Returns its base URL."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    typer.echo(f"The gateway serves http://{shown}:{port}{config.server.path}", err=True)
    return f"http://{shown}:{port}/"
