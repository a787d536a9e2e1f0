"""`compose` and `contract`: subgraphs, or a supergraph and tags -> a supergraph, or reports of why not."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from botberi_gateway.commands.console import INVALID_GRAPH, fail, read, write
from botberi_gateway.commands.options import Filter, Format
from botberi_gateway.commands.sources import Source
from botberi_gateway.composition import Composition, Problem, Subgraph, contract
from botberi_gateway.composition import compose as compose_subgraphs
from botberi_gateway.composition.report import Finding, findings, github, sarif, text, to_json
from botberi_gateway.errors import GatewayError
from botberi_gateway.supergraph import Supergraph


def compose(sources: Sequence[Source], filters: Filter, form: Format, output: Path | None) -> None:
    """Print the supergraph, or write it to `output`, with errors and hints.

    Exits with 1 where the subgraphs do not compose.
    """
    subgraphs = subgraphs_of(sources)
    composition = compose_subgraphs(subgraphs)
    errors, supergraph = composition.errors, composition.supergraph
    if supergraph is not None and filters:
        variant = filtered(supergraph, filters)
        errors, supergraph = variant.errors, variant.supergraph
    files = {source.name: source.file for source in sources if source.file is not None}
    sdl = supergraph.to_sdl() if supergraph is not None else None
    _deliver(sdl, findings(errors, subgraphs, files), findings(composition.hints, subgraphs, files), form, output)
    if errors:
        if form is Format.TEXT:
            typer.echo(f"The subgraphs do not compose: {_count(len(errors))}.", err=True)
        raise typer.Exit(INVALID_GRAPH)


def contract_of(supergraph: Path, filters: Filter, form: Format, output: Path | None) -> None:
    """Print the variant of an existing supergraph that the filters leave, in the same forms as `compose`."""
    composition = filtered(load_supergraph(supergraph), filters)
    _deliver(composition.supergraph_sdl, findings(composition.errors, ()), [], form, output)
    if composition.errors:
        if form is Format.TEXT:
            typer.echo(f"The tags leave no valid API: {_count(len(composition.errors))}.", err=True)
        raise typer.Exit(INVALID_GRAPH)


def filtered(supergraph: Supergraph, filters: Filter) -> Composition:
    return contract(
        supergraph,
        include=filters.include,
        exclude=filters.exclude,
        hide_unreachable=filters.hide_unreachable,
    )


def subgraphs_of(sources: Sequence[Source]) -> list[Subgraph]:
    return [Subgraph(source.name, source.sdl or "", source.url) for source in sources]


def load_supergraph(path: Path) -> Supergraph:
    try:
        return Supergraph.from_sdl(read(path))
    except GatewayError as error:
        fail(INVALID_GRAPH, f"{error.code}: {error.message}")


def composed(sources: Sequence[Source]) -> Supergraph:
    """The supergraph of these subgraphs, for commands that need one. Where there is none, prints why and exits."""
    subgraphs = subgraphs_of(sources)
    composition = compose_subgraphs(subgraphs)
    if composition.supergraph is None:
        problems = report(composition.errors, sources, subgraphs)
        fail(INVALID_GRAPH, f"{problems}The subgraphs do not compose: {_count(len(composition.errors))}.")
    return composition.supergraph


def report(
    problems: Sequence[Problem],
    sources: Sequence[Source],
    subgraphs: Sequence[Subgraph],
    *,
    colour: bool | None = None,
) -> str:
    """Errors of composition as text for people, with places in files. Coloured where the terminal is, by default."""
    files = {source.name: source.file for source in sources if source.file is not None}
    return text(findings(problems, subgraphs, files), colour=_has_colours() if colour is None else colour)


def _deliver(sdl: str | None, errors: list[Finding], hints: list[Finding], form: Format, output: Path | None) -> None:
    match form:
        case Format.JSON:
            typer.echo(json.dumps(to_json(sdl, errors, hints), indent=2))
        case Format.SARIF:
            typer.echo(json.dumps(sarif([*errors, *hints]), indent=2))
        case Format.GITHUB:
            typer.echo(github([*errors, *hints]), nl=False)
        case Format.TEXT:
            report = text([*hints, *errors], colour=_has_colours())
            if report:
                typer.echo(report, err=True, color=_has_colours())
    if sdl is None:
        return
    if output is not None:
        write(output, sdl)
    elif form is Format.TEXT:
        typer.echo(sdl, nl=False)


def _has_colours() -> bool:
    """Whether standard error is a terminal whose user didn't turn colours off (no-color.org)."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _count(errors: int) -> str:
    return "1 error" if errors == 1 else f"{errors} errors"
