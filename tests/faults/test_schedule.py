"""A seed gives one schedule: exactly so many kills, of every kind, and never too early."""

from collections import Counter

import pytest

from lab.faults.schedule import DISTURBANCES, KILLS, schedule


@pytest.mark.parametrize(("runs", "kills"), [(500, 20), (10_000, 200), (1, 1), (3, 0), (50, 7)])
def test_exactly_as_many_kills_as_asked_for(runs: int, kills: int) -> None:
    faults = schedule(runs, kills, 1)
    assert sum(fault.kills for fault in faults) == kills
    assert len(faults) == kills + kills // 2
    assert all(0 < fault.after <= runs for fault in faults)


def test_a_seed_repeats_itself_and_another_does_not() -> None:
    assert schedule(500, 20, 7) == schedule(500, 20, 7)
    assert schedule(500, 20, 7) != schedule(500, 20, 8)


def test_the_short_form_strikes_everything() -> None:
    kinds = Counter(fault.kind for fault in schedule(500, 20, 1))
    assert set(kinds) == set(KILLS["rabbitmq"]) | set(DISTURBANCES["rabbitmq"])


def test_the_short_form_on_the_in_process_bus_kills_everything() -> None:
    kinds = Counter(fault.kind for fault in schedule(60, 5, 1, "memory"))
    assert set(KILLS["memory"]) <= set(kinds)
    assert set(kinds) <= set(KILLS["memory"]) | set(DISTURBANCES["memory"])


def test_faults_come_in_order() -> None:
    moments = [fault.after for fault in schedule(10_000, 200, 3)]
    assert moments == sorted(moments)
