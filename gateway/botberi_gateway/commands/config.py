"""`config schema · check · show · init`: the configuration's file, explained and checked without serving."""

import json
import os
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from botberi_gateway.commands.console import BAD_INPUT, fail, write
from botberi_gateway.commands.serve import load_or_fail, options_of, with_options

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Check and explain the configuration of serve.")

#: What `init` writes.
DEFAULT_FILE: Final = Path("gateway.yaml")


@app.command()
def schema(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File for the schema.")] = None,
) -> None:
    """Print the JSON Schema of the configuration, by which editors complete and check it."""
    from botberi_gateway.config.json_schema import json_schema

    text = json.dumps(json_schema(), indent=2) + "\n"
    if output is None:
        typer.echo(text, nl=False)
    else:
        write(output, text)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Configuration in YAML or JSON.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print {ok, problems} in JSON.")] = False,
) -> None:
    """Check a configuration: every key, value, variable and file. Exit code 0: it can be used; 2: it can't."""
    from botberi_gateway.config.load import load
    from botberi_gateway.config.problem import ConfigError
    from botberi_gateway.server.checks import CHECKS

    problems: list[Any] = []
    try:
        load(file, environ=os.environ, checks=CHECKS)
    except ConfigError as error:
        problems = list(error.problems)
    if as_json:
        entries = [
            {
                "path": problem.path,
                "message": problem.message,
                "source": None if problem.origin is None else problem.origin.source,
                "line": None if problem.origin is None else problem.origin.line,
            }
            for problem in problems
        ]
        typer.echo(json.dumps({"ok": not problems, "problems": entries}, indent=2))
    elif problems:
        typer.echo("\n".join(map(str, problems)), err=True)
    else:
        typer.echo(f"{file} can be used.")
    if problems:
        raise typer.Exit(BAD_INPUT)


@app.command()
@with_options(
    file=Annotated[Path | None, typer.Argument(help="Configuration in YAML or JSON.")],
    changed=Annotated[bool, typer.Option("--changed", help="Leave out what has its default.")],
    as_json=Annotated[bool, typer.Option("--json", help="Print a list of {path, value, origin}.")],
)
def show(**values: Any) -> None:
    """Print every value that holds and where it comes from; the options are those of serve. Secrets are hidden."""
    from botberi_gateway.config.show import as_json, as_yaml

    result = load_or_fail(values["file"] or values["config"], options_of(values))
    if values["as_json"]:
        typer.echo(json.dumps(as_json(result), indent=2))
    else:
        typer.echo(as_yaml(result, changed=values["changed"]), nl=False)


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="File to write.")] = DEFAULT_FILE,
    force: Annotated[bool, typer.Option("--force", help="Write it although it exists.")] = False,
) -> None:
    """Write a configuration to begin with."""
    from botberi_gateway.config.show import initial

    if file.exists() and not force:
        fail(BAD_INPUT, f"{file} exists; --force writes it all the same.")
    write(file, initial())
    typer.echo(f"{file} is written. `botberi-gateway serve --config {file}` serves it.")
