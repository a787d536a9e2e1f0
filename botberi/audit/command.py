"""The command group `botberi audit`."""

from pathlib import Path
from typing import Annotated

import typer

from botberi.run.to_end import run_to_end

app = typer.Typer(
    name="audit", help="The audit log: check that nothing was changed, or export it.", no_args_is_help=True
)


@app.command()
def verify(
    file: Annotated[Path | None, typer.Option(help="Check an export (the whole log) in place of the database.")] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(help="SEQ:HASH that an earlier check printed; it has to be in the log still (repeatable)."),
    ] = None,
) -> None:
    """Check the chain of hashes from the first row to the last; exit code 1 where a row was changed or is gone."""
    from botberi.audit import work
    from botberi.settings import EventsSettings

    run_to_end(lambda: work.verify(EventsSettings(), file, expect or ()))


@app.command()
def export(
    since: Annotated[str | None, typer.Option(help="From when: 2026-01-31T14:00 (UTC), or 15m, 2h, 3d ago.")] = None,
    until: Annotated[str | None, typer.Option(help="Until when (exclusive).")] = None,
) -> None:
    """Print rows as JSON lines, oldest first, each with the hashes by which `verify --file` checks them."""
    from botberi.audit import work
    from botberi.settings import EventsSettings

    run_to_end(lambda: work.export(EventsSettings(), since, until))
