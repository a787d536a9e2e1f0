"""The generator of random subgraph sets, and our composer beside two peers on some of them.

`python -m lab.bench.composition random` takes more sets.
"""

import os

import pytest

from lab.bench.composition.breakages import BREAKAGES
from lab.bench.composition.composers import ours
from lab.bench.composition.random_sets import Table, outcomes, random_set
from lab.bench.peers import PeersMissing

#: A long run: BOTBERI_RANDOM_SETS=5000.
SETS = int(os.environ.get("BOTBERI_RANDOM_SETS", "60"))


def test_the_same_seed_gives_the_same_set() -> None:
    assert random_set(7) == random_set(7)
    assert random_set(7) != random_set(8)


@pytest.mark.parametrize("way", BREAKAGES)
def test_each_way_of_breaking_changes_some_set(way: str) -> None:
    used = [seed for seed in range(120) if random_set(seed, way)[0] == way]
    assert used
    assert any(random_set(seed, way)[1] != random_set(seed - seed % 10)[1] for seed in used)


def test_most_whole_sets_compose_and_broken_ones_end_in_errors() -> None:
    verdicts = [(random_set(seed)[0], ours(random_set(seed)[1])) for seed in range(60)]
    whole = [v for way, v in verdicts if way == "whole"]
    assert sum(not v.codes for v in whole) > len(whole) / 2
    assert sum(bool(v.codes) for way, v in verdicts if way != "whole") > 20


@pytest.mark.timeout(max(600, 5 * SETS))  # node on a busy machine
def test_peers_say_the_same_wherever_they_agree() -> None:
    table = Table()
    try:
        for outcome in outcomes(1, SETS):
            table.add(outcome)
    except PeersMissing as missing:
        pytest.skip(str(missing))
    assert table.agree_with_both == table.both_agree, [(o.seed, o.way, o.differences[:2]) for o in table.differing]
    assert table.share > 0.97, [(o.seed, o.way, o.differences[:2]) for o in table.differing]
