"""The checker itself: it passes evidence in which all is well, and finds each violation that is planted there."""

import copy
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from lab.faults.checker import RULES, check, count
from lab.faults.evidence import Change, Evidence, Heard, Row, Seen, Watch

FIRST, SECOND = UUID(int=1), UUID(int=2)
STEPS = ("PENDING", "QUEUED", "RUNNING", "SUCCEEDED")
RESULT = {"answer": 42}


def event_id(instance: UUID, version: int) -> UUID:
    return UUID(int=instance.int * 100 + version)


def changes(instance: UUID) -> list[Change]:
    return [
        Change(
            event_id(instance, version),
            instance,
            version,
            status,
            terminal=status == "SUCCEEDED",
            type="instance.created" if version == 1 else "instance.updated",
        )
        for version, status in enumerate(STEPS, 1)
    ]


def well() -> Evidence:
    """Two instances that ran; the second's subscriber came late, and one event was delivered twice."""
    written = changes(FIRST) + changes(SECOND)
    heard = [Heard(one.id, one.aggregate, one.version) for one in written]
    every = [Seen(version, status) for version, status in enumerate(STEPS, 1)]
    return Evidence(
        made={"run-1": FIRST, "run-2": SECOND},
        rows=[Row(one, f"run-{one.int}", "SUCCEEDED", 4, 1, RESULT) for one in (FIRST, SECOND)],
        changes=written,
        heard=[*heard[:2], heard[1], *heard[2:]],
        watches={FIRST: Watch(every[:], completed=True), SECOND: Watch(every[2:], completed=True)},
        streams=[{FIRST: every[:], SECOND: every[1:3]}],
        expected={"run-1": RESULT, "run-2": RESULT},
    )


def without_row(e: Evidence) -> None:
    del e.rows[0]
    del e.changes[:4]
    e.heard = [one for one in e.heard if one.aggregate != FIRST]
    del e.watches[FIRST]
    e.streams.clear()


def without_answer(e: Evidence) -> None:
    e.unanswered.add("run-3")


def event_not_heard(e: Evidence) -> None:
    e.heard = [one for one in e.heard if one.version != 3]


def event_left_in_outbox(e: Evidence) -> None:
    e.changes[3] = replace(e.changes[3], published=False)


def change_without_event(e: Evidence) -> None:
    gone = e.changes.pop(1)
    e.heard = [one for one in e.heard if one.id != gone.id]
    e.watches[FIRST].seen.pop(1)
    e.streams[0][FIRST].pop(1)
    e.changes[1] = replace(e.changes[1], status="RUNNING")


def never_ended(e: Evidence) -> None:
    e.rows[0] = replace(e.rows[0], status="RUNNING", result=None)


def ended_twice(e: Evidence) -> None:
    e.changes[2] = replace(e.changes[2], status="SUCCEEDED", terminal=True)
    e.watches[FIRST].seen[2] = Seen(3, "SUCCEEDED")
    e.streams[0][FIRST][2] = Seen(3, "SUCCEEDED")


def two_for_one_key(e: Evidence) -> None:
    e.rows[1] = replace(e.rows[1], key="run-1")
    del e.made["run-2"]


def answered_with_another(e: Evidence) -> None:
    e.made["run-1"] = SECOND


def step_back(e: Evidence) -> None:
    e.changes[1] = replace(e.changes[1], status="RUNNING")
    e.changes[2] = replace(e.changes[2], status="PENDING")
    e.watches[FIRST].seen[1:3] = [Seen(2, "RUNNING"), Seen(3, "PENDING")]
    e.streams[0][FIRST][1:3] = [Seen(2, "RUNNING"), Seen(3, "PENDING")]


def event_from_nowhere(e: Evidence) -> None:
    e.heard.append(Heard(UUID(int=999), FIRST, 5))


def event_of_another_version(e: Evidence) -> None:
    e.heard = [replace(one, version=9) if one == e.heard[-1] else one for one in e.heard]


def events_out_of_order(e: Evidence) -> None:
    e.heard[-2:] = reversed(e.heard[-2:])


def subscriber_missed_the_end(e: Evidence) -> None:
    e.watches[FIRST].seen.pop()


def subscriber_saw_nothing(e: Evidence) -> None:
    e.watches[FIRST].seen.clear()


def subscriber_waits_for_ever(e: Evidence) -> None:
    e.watches[FIRST].completed = False


def subscriber_saw_older_after_newer(e: Evidence) -> None:
    e.watches[FIRST].seen[1:3] = [Seen(3, "RUNNING"), Seen(2, "QUEUED")]


def subscriber_saw_one_twice(e: Evidence) -> None:
    e.watches[FIRST].seen.insert(1, Seen(1, "PENDING"))


def subscriber_saw_what_never_was(e: Evidence) -> None:
    e.watches[FIRST].seen[2] = Seen(3, "QUEUED")


def follower_saw_older_after_newer(e: Evidence) -> None:
    e.streams[0][SECOND].reverse()


def cancelled_and_succeeded(e: Evidence) -> None:
    e.cancelled.add(FIRST)


def another_result(e: Evidence) -> None:
    e.rows[0] = replace(e.rows[0], result={"answer": 43})


PLANTED: dict[str, list[Callable[[Evidence], None]]] = {
    "lost": [without_row, event_not_heard, event_left_in_outbox, change_without_event],
    "unanswered": [without_answer],
    "stuck": [never_ended],
    "double_terminal": [ended_twice],
    "doubled": [two_for_one_key, answered_with_another],
    "transition": [step_back],
    "invented": [event_from_nowhere, event_of_another_version],
    "order": [events_out_of_order],
    "watch": [
        subscriber_missed_the_end,
        subscriber_saw_nothing,
        subscriber_waits_for_ever,
        subscriber_saw_older_after_newer,
        subscriber_saw_one_twice,
        subscriber_saw_what_never_was,
        follower_saw_older_after_newer,
    ],
    "cancel": [cancelled_and_succeeded],
    "result": [another_result],
}


def test_where_all_is_well_nothing_is_found() -> None:
    assert check(well()) == []


def test_every_rule_is_tried() -> None:
    assert set(PLANTED) == {kind for kind, _ in RULES}


@pytest.mark.parametrize(("kind", "plant"), [(kind, plant) for kind, plants in PLANTED.items() for plant in plants])
def test_a_planted_violation_is_found(kind: str, plant: Callable[[Evidence], None]) -> None:
    evidence = copy.deepcopy(well())
    plant(evidence)
    assert count(check(evidence))[kind] >= 1


def test_a_violation_is_not_taken_for_another() -> None:
    """What `--json` counts apart must not grow from something else."""
    for kind in ("lost", "stuck", "double_terminal"):
        for other, plants in PLANTED.items():
            if other in (kind, "transition"):
                continue
            for plant in plants:
                evidence = well()
                plant(evidence)
                found = count(check(evidence))
                if plant is two_for_one_key or plant is event_of_another_version:
                    continue
                assert found[kind] == 0, (plant.__name__, found)
