"""Swaps under load, in short; `lab bench swaps` is the long form, with latencies."""

from lab.bench.swaps import measure


def test_a_swap_a_second_fails_no_request() -> None:
    outcome = measure(seconds=4, quiet_seconds=1, rate=20)
    assert outcome.swapped.failures == []
    assert outcome.swaps >= 3
    assert len(outcome.swapped.latencies) > 40
