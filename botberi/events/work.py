"""A command of `botberi events` -> the work done and shown; the exit code."""

import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from botberi.databases import database_urls
from botberi.events import show
from botberi.events.moments import moment
from botberi.events.targets import amqp_url, connected
from botberi.run.errors import StartError
from botberi.settings import EventsSettings
from event_broker.bus import BusError
from event_broker.dead_letters import DeadLetters
from event_broker.lag import outbox_lag, queue_lags
from event_broker.replay import Kind, Replay, ReplayStalled, Selection, topics_of
from event_broker.topology import DEAD_LIMIT, QUEUES

#: Exit code of an answer that is a "no": beyond the limit, not found, not done whole.
NO: Final = 1
Confirm = Callable[[str], bool]


async def lag(settings: EventsSettings, *, json: bool, max_seconds: float | None) -> int:
    """`botberi events lag`: 1 when something has waited longer than `max_seconds`."""
    outboxes = []
    for name, url in database_urls(settings).items():
        async with connected(name, url) as connection:
            outboxes.append(await outbox_lag(connection, name))
    queues = None
    if settings.amqp_url is not None:
        try:
            queues = await queue_lags(settings.amqp_url, QUEUES)
        except BusError as error:
            raise StartError(str(error)) from None
    if json:
        show.as_json({"outboxes": outboxes, "queues": queues})
    else:
        show.lag(outboxes, queues)
    late = [one.database for one in outboxes if max_seconds is not None and one.oldest_seconds > max_seconds]
    for database in late:
        print(f"botberi: {database}: the oldest event has waited longer than {max_seconds:g} s", file=sys.stderr)
    return NO if late else 0


async def replay(
    settings: EventsSettings,
    *,
    since: str,
    until: str | None,
    types: Sequence[str],
    aggregate: UUID | None,
    databases: Sequence[str],
    dry_run: bool,
    confirm: Confirm,
    json: bool,
) -> int:
    """`botberi events replay`: 1 when it was not done whole."""
    now = datetime.now(UTC)
    try:
        selection = Selection(moment(since, now), moment(until, now) if until else now, topics_of(types), aggregate)
    except ValueError as error:
        raise StartError(str(error)) from None
    if selection.since >= selection.until:
        raise StartError("--since is not before --until: nothing can lie between them.")
    async with AsyncExitStack() as stack:
        replays: dict[str, Replay] = {}
        for name, url in database_urls(settings).items():
            if not databases or name in databases:
                connection = await stack.enter_async_context(connected(name, url))
                replays[name] = Replay(connection, selection)
        kinds = [(name, kind) for name, replay_of in replays.items() for kind in await replay_of.preview()]
        total = sum(kind.events for _, kind in kinds)
        if not json:
            await _announce(replays, selection, kinds)
        if dry_run or not total:
            _summary(kinds, 0, json=json)
            return 0
        if not confirm(f"Publish {total} events again?"):
            print("botberi: nothing was done", file=sys.stderr)
            return NO
        return await _run(replays, kinds, total, json=json)


async def _announce(replays: dict[str, Replay], selection: Selection, kinds: Sequence[tuple[str, Kind]]) -> None:
    out = show.console()
    for name, replay_of in replays.items():
        oldest = await replay_of.oldest()
        if oldest is not None and oldest > selection.since:
            out.print(f"{name}: the oldest event that is kept is of {oldest:%Y-%m-%d %H:%M:%S %Z}.", markup=False)
    if kinds:
        show.kinds(kinds)
        out.print("Ids and versions stay: who has had an event ignores it, who has not gets it. Order holds per row.")
    else:
        out.print("No event that was sent matches: nothing to do.")


async def _run(replays: dict[str, Replay], kinds: Sequence[tuple[str, Kind]], total: int, *, json: bool) -> int:
    sent = 0
    try:
        for replay_of in replays.values():
            async for count in replay_of.run():
                sent += count
                if not json:
                    print(f"{sent} of {total} published again", flush=True)
    except ReplayStalled as stalled:
        raise StartError(
            f"Stopped after {sent} of {total}: {stalled}. They leave once a broker relays them (`botberi events lag` "
            "says); then run this again for the rest: what has left is not sent twice by --until."
        ) from None
    _summary(kinds, sent, json=json)
    return 0


def _summary(kinds: Sequence[tuple[str, Kind]], sent: int, *, json: bool) -> None:
    if json:
        matched = [{"database": name, **show._plain(kind)} for name, kind in kinds]
        show.as_json({"matched": matched, "published": sent})


async def list_letters(settings: EventsSettings, queue: str | None, limit: int, *, json: bool) -> int:
    """`botberi events dead-letters list`."""
    url = amqp_url(settings)
    names = [queue] if queue else [spec.name for spec in QUEUES]
    try:
        by_queue = {name: await DeadLetters(url, name).read(limit) for name in names}
    except BusError as error:
        raise StartError(str(error)) from None
    if json:
        show.as_json(
            [{"queue": name, **show.letter_json(letter)} for name, letters in by_queue.items() for letter in letters]
        )
    else:
        for name, letters in by_queue.items():
            if letters:
                show.letters(name, letters)
            else:
                print(f"{name} has no dead letters.")
    return 0


async def show_letter(settings: EventsSettings, queue: str, letter_id: str, *, json: bool) -> int:
    """`botberi events dead-letters show`: 1 when there is no such letter."""
    try:
        letters = await DeadLetters(amqp_url(settings), queue).read(DEAD_LIMIT)
    except BusError as error:
        raise StartError(str(error)) from None
    matching = [letter for letter in letters if letter.id == letter_id]
    if not matching:
        raise StartError(f"{queue} has no dead letter {letter_id} (of {len(letters)}).")
    if json:
        show.as_json({"queue": queue, **show.letter_json(matching[0])})
    else:
        show.letter(matching[0])
    return 0


async def redrive(
    settings: EventsSettings,
    queue: str,
    ids: Sequence[str],
    *,
    limit: int | None,
    dry_run: bool,
    confirm: Confirm,
    json: bool,
) -> int:
    """`botberi events dead-letters redrive`: 1 when an id was not found, or nothing was confirmed."""
    letters = DeadLetters(amqp_url(settings), queue)
    try:
        waiting = await letters.read(DEAD_LIMIT)
        chosen = [letter for letter in waiting if not ids or letter.id in ids][: limit or None]
        missing = sorted(set(ids) - {letter.id for letter in waiting})
        if not json and chosen:
            show.letters(queue, chosen)
        sent = 0
        if chosen and not dry_run:
            if not confirm(f"Send {len(chosen)} of {len(waiting)} dead letters to {queue} again?"):
                print("botberi: nothing was done", file=sys.stderr)
                return NO
            sent = (await letters.redrive([letter.id for letter in chosen] if ids else None, len(chosen))).sent
    except BusError as error:
        raise StartError(str(error)) from None
    if json:
        show.as_json({"queue": queue, "matched": [letter.id for letter in chosen], "sent": sent, "missing": missing})
    elif not dry_run:
        print(f"{sent} sent to {queue} again.")
    for letter_id in missing:
        print(f"botberi: {queue} has no dead letter {letter_id}", file=sys.stderr)
    return NO if missing else 0
