"""`botberi-gateway`: serve · dev · config · compose · check · contract · plan · inspect."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from botberi_gateway.commands.config import app as config_commands
from botberi_gateway.commands.console import BAD_INPUT, INVALID_GRAPH, fail, read
from botberi_gateway.commands.options import OF_OPERATION, FailOn, Filter, Format, Stage
from botberi_gateway.commands.serve import InputOption, SubgraphOption, SupergraphOption, with_options
from botberi_gateway.commands.sources import Source, gather

# The engine is imported where it is used: `--help` and a mistyped option answer at once.
if TYPE_CHECKING:
    from botberi_gateway.supergraph import Supergraph

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="A GraphQL federation gateway for any graph.",
)


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


@app.command(name="serve")
@with_options()
def serve(**values: Any) -> None:
    """Serve a federated graph: POST /graphql, GET /health. An option holds before the file of --config."""
    from botberi_gateway.commands.serve import serve as command

    command(values)


@app.command(name="dev")
@with_options(
    files=FilesArgument,
    open_browser=Annotated[
        bool | None, typer.Option("--open/--no-open", help="Open GraphiQL; by default where this is a terminal.")
    ],
)
def dev(**values: Any) -> None:
    """Serve subgraphs under development: watched, composed again, mocked where they are absent."""
    from botberi_gateway.commands.dev import dev as command

    command(values)


app.add_typer(config_commands, name="config")


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
