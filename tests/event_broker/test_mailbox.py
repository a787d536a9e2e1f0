"""A mailbox against a model: bounded, in order, and silent about nothing but superseded states."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_broker.bus import FollowLost
from event_broker.mailbox import Mailbox
from shared_schema.contracts.events import Event
from shared_schema.ids import new_id
from tests.support.events import make_event

SUBJECTS = [new_id() for _ in range(6)]


async def drain(mailbox: Mailbox) -> tuple[list[Event], bool]:
    """Return everything up to the end, and whether the end was a loss."""
    got: list[Event] = []
    try:
        async for event in mailbox:
            got.append(event)
    except FollowLost:
        return got, True
    return got, False


@given(st.lists(st.integers(0, 5), max_size=40), st.integers(1, 8))
def test_the_newest_of_every_aggregate_arrives_or_the_follower_gets_an_error(order: list[int], limit: int) -> None:
    mailbox = Mailbox(limit)
    sent = [make_event(subject=SUBJECTS[index], version=number + 1) for number, index in enumerate(order)]
    for event in sent:
        mailbox.put(event)
    mailbox.close()
    got, lost = asyncio.run(drain(mailbox))
    if lost:
        # Only when more aggregates waited than there was room for.
        assert len(set(order)) > limit
        assert got == []
        return
    assert len(got) <= limit
    assert got == [event for event in sent if event in got]
    newest = {event.subject: event for event in sent}
    assert set(newest.values()) <= set(got) or not sent
    if len(sent) <= limit:
        assert got == sent


async def test_a_reader_wakes_for_an_event() -> None:
    mailbox = Mailbox(1)
    reading = asyncio.create_task(drain(mailbox))
    await asyncio.sleep(0)
    event = make_event()
    mailbox.put(event)
    await asyncio.sleep(0)
    mailbox.close()
    assert await asyncio.wait_for(reading, 1) == ([event], False)


async def test_after_its_end_a_mailbox_takes_nothing() -> None:
    mailbox = Mailbox(2)
    mailbox.fail(FollowLost("gap"))
    mailbox.put(make_event())
    assert await drain(mailbox) == ([], True)


def test_a_mailbox_without_room_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Mailbox(0)
