"""The command group `botberi events`."""

import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer

from botberi.run.errors import StartError
from botberi.run.to_end import run_to_end

app = typer.Typer(
    name="events",
    help="What waits for the bus, what consumers gave up, and how to send it again.",
    no_args_is_help=True,
)
letters = typer.Typer(name="dead-letters", help="Events that a consumer gave up (RabbitMQ).", no_args_is_help=True)
app.add_typer(letters)


class Database(StrEnum):
    """The databases with an outbox."""

    USER = "user_psql"
    SHARED = "shared_psql"


Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Queue = Annotated[str, typer.Argument(help="The consumer's queue, such as agents-dispatcher.")]


@app.command()
def lag(
    json: Json = False,
    max_seconds: Annotated[
        float | None, typer.Option(min=0, help="Exit with 1 when an event has waited longer (for monitoring).")
    ] = None,
) -> None:
    """Show what waits: rows of each outbox, who relays them, why not; messages and dead letters of each queue."""
    from botberi.events import work
    from botberi.settings import EventsSettings

    run_to_end(lambda: work.lag(EventsSettings(), json=json, max_seconds=max_seconds))


@app.command()
def replay(
    since: Annotated[str, typer.Option(help="From when: 2026-01-31T14:00 (UTC), or 15m, 2h, 3d ago.")],
    until: Annotated[str | None, typer.Option(help="Until when (exclusive); now by default.")] = None,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", help="Event types or patterns, such as instance.* (repeatable); all by default."),
    ] = None,
    aggregate: Annotated[UUID | None, typer.Option(help="The events of one row alone, by its id.")] = None,
    database: Annotated[list[Database] | None, typer.Option(help="One database alone (repeatable).")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Publish events again that were sent before, with the same ids and versions; says first what it will do."""
    from botberi.events import work
    from botberi.settings import EventsSettings

    run_to_end(
        lambda: work.replay(
            EventsSettings(),
            since=since,
            until=until,
            types=types or (),
            aggregate=aggregate,
            databases=[choice.value for choice in database or ()],
            dry_run=dry_run,
            confirm=_confirmation(yes),
            json=json,
        )
    )


@letters.command("list")
def list_letters(
    queue: Annotated[str | None, typer.Argument(help="One consumer's queue alone.")] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="At most so many of each queue, the oldest first.")
    ] = 50,
    json: Json = False,
) -> None:
    """List dead letters, with why their consumer gave them up."""
    from botberi.events import work
    from botberi.settings import EventsSettings

    run_to_end(lambda: work.list_letters(EventsSettings(), queue, limit, json=json))


@letters.command("show")
def show_letter(
    queue: Queue,
    letter: Annotated[str, typer.Argument(help="The event's id, as `list` prints it.")],
    json: Json = False,
) -> None:
    """Show one dead letter whole."""
    from botberi.events import work
    from botberi.settings import EventsSettings

    run_to_end(lambda: work.show_letter(EventsSettings(), queue, letter, json=json))


@letters.command("redrive")
def redrive(
    queue: Queue,
    ids: Annotated[list[str] | None, typer.Argument(help="Events by id; --all for all.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of the queue's dead letters.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many, the oldest first.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Send dead letters to their queue again, once what made them fail is fixed."""
    from botberi.events import work
    from botberi.settings import EventsSettings

    if bool(ids) == everything:
        raise typer.BadParameter("name events by id, or say --all")
    run_to_end(
        lambda: work.redrive(
            EventsSettings(), queue, ids or (), limit=limit, dry_run=dry_run, confirm=_confirmation(yes), json=json
        )
    )


def _confirmation(yes: bool) -> Callable[[str], bool]:
    def confirm(question: str) -> bool:
        if yes:
            return True
        if not sys.stdin.isatty():
            raise StartError("No terminal to ask on: say --yes to do it, or --dry-run to see what it would do.")
        return typer.confirm(question)

    return confirm
