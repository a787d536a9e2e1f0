"""A seed gives one schedule: exactly so many kills, of every kind, and never too early."""

from collections import Counter

import pytest

from lab.faults.schedule import DISTURBANCES, KILLS, schedule


@pytest.mark.parametrize(("runs", "kills"), [(500, 20), (10_000, 200), (1, 1), (3, 0), (50, 7)])
def test_exactly_as_many_kills_as_asked_for(runs: int, kills: int) -> None:
    blows = schedule(runs, kills, 1)
    assert sum(blow.kills for blow in blows) == kills
    assert len(blows) == kills + kills // 2
    assert all(0 < blow.after <= runs for blow in blows)


def test_a_seed_repeats_itself_and_another_does_not() -> None:
    assert schedule(500, 20, 7) == schedule(500, 20, 7)
    assert schedule(500, 20, 7) != schedule(500, 20, 8)


def test_the_short_form_strikes_everything() -> None:
    kinds = Counter(blow.kind for blow in schedule(500, 20, 1))
    assert set(kinds) == set(KILLS["rabbitmq"]) | set(DISTURBANCES["rabbitmq"])


def test_the_short_form_on_the_in_process_bus_kills_everything() -> None:
    kinds = Counter(blow.kind for blow in schedule(60, 5, 1, "memory"))
    assert set(KILLS["memory"]) <= set(kinds)
    assert set(kinds) <= set(KILLS["memory"]) | set(DISTURBANCES["memory"])


def test_blows_come_in_order() -> None:
    moments = [blow.after for blow in schedule(10_000, 200, 3)]
    assert moments == sorted(moments)
