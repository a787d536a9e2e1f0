"""Results -> tables for people, JSON for programs."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from event_broker.dead_letters import DeadLetter
from event_broker.lag import OutboxLag, QueueLag
from event_broker.replay import Kind


def console() -> Console:
    """Standard output; as wide as it needs to be where it is no terminal."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else 240, highlight=False)


def as_json(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(value, default=_plain, indent=2))


def lag(outboxes: Sequence[OutboxLag], queues: Sequence[QueueLag] | None) -> None:
    """Print what waits where."""
    out = console()
    out.print(
        _table(
            "Outboxes",
            (
                "database",
                "waiting",
                "oldest",
                "failing",
                "held",
                "relays",
                "partitions",
                "sent in a minute",
                "last sent",
            ),
            [
                (
                    outbox.database,
                    outbox.waiting,
                    f"{outbox.oldest_seconds:.1f} s" if outbox.waiting else "-",
                    outbox.failing,
                    outbox.held,
                    outbox.relays,
                    f"{outbox.partitions}/{outbox.partitions_total}",
                    outbox.sent_last_minute,
                    _time(outbox.last_sent_at),
                )
                for outbox in outboxes
            ],
        )
    )
    for outbox in outboxes:
        for row in outbox.failures:
            out.print(
                f"{outbox.database}: row {row.seq} ({row.event_type} of {row.aggregate_id}) "
                f"failed {row.attempts} times, again at {_time(row.next_attempt_at)}: {row.error}",
                markup=False,
            )
        if outbox.holder:
            out.print(
                f"{outbox.database}: {outbox.held} rows wait for a transaction that is "
                f"{outbox.holder.seconds:.0f} s old "
                f"(pid {outbox.holder.pid}, {outbox.holder.application or 'no name'}, {outbox.holder.state})",
                markup=False,
            )
        if outbox.relays == 0:
            out.print(
                f"{outbox.database}: no broker relays it; start one (`botberi broker`, or `./start`)", markup=False
            )
    if queues is None:
        out.print("The bus is in the platform's process: no queues to see from here (BOTBERI_AMQP_URL is not set).")
        return
    out.print(
        _table(
            "Queues",
            ("queue", "waiting", "consumers", "dead letters"),
            [(queue.queue, _count(queue.waiting), _count(queue.consumers), _count(queue.dead)) for queue in queues],
        )
    )


def kinds(rows: Sequence[tuple[str, Kind]]) -> None:
    """Print what a replay sends."""
    console().print(
        _table(
            "To be published again",
            ("database", "type", "events", "rows", "first", "last"),
            [
                (database, kind.event_type, kind.events, kind.aggregates, _time(kind.first), _time(kind.last))
                for database, kind in rows
            ],
        )
    )


def letters(queue: str, letters_read: Sequence[DeadLetter]) -> None:
    """Print the dead letters of a queue, one a line."""
    console().print(
        _table(
            f"Dead letters of {queue}",
            ("id", "event", "died", "tries", "redriven", "reason"),
            [
                (
                    letter_read.id,
                    f"{letter_read.event_type} {letter_read.event.data.version} of {letter_read.event.subject}"
                    if letter_read.event
                    else letter_read.event_type,
                    (letter_read.died or "-")[:19].replace("T", " "),
                    letter_read.attempts or "-",
                    letter_read.redriven,
                    letter_read.reason,
                )
                for letter_read in letters_read
            ],
        )
    )


def letter(dead_letter: DeadLetter) -> None:
    """Print a dead letter whole."""
    out = console()
    for name, value in letter_json(dead_letter).items():
        if name != "event":
            out.print(Text.assemble((f"{name}: ", "bold"), str(value)), soft_wrap=True)
    out.print(Text(json.dumps(letter_json(dead_letter)["event"], indent=2)), soft_wrap=True)


def letter_json(dead_letter: DeadLetter) -> dict[str, Any]:
    """Return a dead letter for programs; `event` is its text where it is none."""
    body = dead_letter.event.model_dump(mode="json") if dead_letter.event else dead_letter.body.decode(errors="replace")
    fields = {
        name: getattr(dead_letter, name) for name in ("id", "event_type", "died", "attempts", "redriven", "reason")
    }
    return {**fields, "event": body}


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    table = Table(title=title, title_justify="left", show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    return table


def _time(value: Any) -> str:
    return value.isoformat(sep=" ", timespec="seconds") if value else "never"


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
