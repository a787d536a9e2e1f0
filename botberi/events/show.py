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
                    one.database,
                    one.waiting,
                    f"{one.oldest_seconds:.1f} s" if one.waiting else "-",
                    one.failing,
                    one.held,
                    one.relays,
                    f"{one.partitions}/{one.partitions_total}",
                    one.sent_last_minute,
                    _time(one.last_sent_at),
                )
                for one in outboxes
            ],
        )
    )
    for one in outboxes:
        for row in one.failures:
            out.print(
                f"{one.database}: row {row.seq} ({row.event_type} of {row.aggregate_id}) failed {row.attempts} times, "
                f"again at {_time(row.next_attempt_at)}: {row.error}",
                markup=False,
            )
        if one.holder:
            out.print(
                f"{one.database}: {one.held} rows wait for a transaction that is {one.holder.seconds:.0f} s old "
                f"(pid {one.holder.pid}, {one.holder.application or 'no name'}, {one.holder.state})",
                markup=False,
            )
        if one.relays == 0:
            out.print(f"{one.database}: no broker relays it; start one (`botberi broker`, or `./start`)", markup=False)
    if queues is None:
        out.print("The bus is in the platform's process: no queues to see from here (BOTBERI_AMQP_URL is not set).")
        return
    out.print(
        _table(
            "Queues",
            ("queue", "waiting", "consumers", "dead letters"),
            [(one.queue, _count(one.waiting), _count(one.consumers), _count(one.dead)) for one in queues],
        )
    )


def kinds(found: Sequence[tuple[str, Kind]]) -> None:
    """Print what a replay sends."""
    console().print(
        _table(
            "To be published again",
            ("database", "type", "events", "rows", "first", "last"),
            [
                (database, one.event_type, one.events, one.aggregates, _time(one.first), _time(one.last))
                for database, one in found
            ],
        )
    )


def letters(queue: str, found: Sequence[DeadLetter]) -> None:
    """Print the dead letters of a queue, one a line."""
    console().print(
        _table(
            f"Dead letters of {queue}",
            ("id", "event", "died", "tries", "redriven", "reason"),
            [
                (
                    one.id,
                    f"{one.event_type} {one.event.data.version} of {one.event.subject}"
                    if one.event
                    else one.event_type,
                    (one.died or "-")[:19].replace("T", " "),
                    one.attempts or "-",
                    one.redriven,
                    one.reason,
                )
                for one in found
            ],
        )
    )


def letter(one: DeadLetter) -> None:
    """Print a dead letter whole."""
    out = console()
    for name, value in letter_json(one).items():
        if name != "event":
            out.print(Text.assemble((f"{name}: ", "bold"), str(value)), soft_wrap=True)
    out.print(Text(json.dumps(letter_json(one)["event"], indent=2)), soft_wrap=True)


def letter_json(one: DeadLetter) -> dict[str, Any]:
    """Return a dead letter for programs; `event` is its text where it is none."""
    body = one.event.model_dump(mode="json") if one.event else one.body.decode(errors="replace")
    fields = {name: getattr(one, name) for name in ("id", "event_type", "died", "attempts", "redriven", "reason")}
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
