"""Composing again after a change: the same answers as of a first composition, with less work."""

import random
from collections.abc import Callable

import pytest

from botberi_gateway import Composer, Composition, Subgraph, compose
from botberi_gateway.composition import compose as module
from lab.bench.composition.random_sets import random_set


def answer(made: Composition) -> tuple[object, ...]:
    return made.supergraph_sdl, made.errors, made.hints


@pytest.mark.parametrize("seed", range(24))
def test_answers_are_those_of_a_first_composition(seed: int) -> None:
    dice = random.Random(seed)
    whole, broken, other = (random_set(s)[1] for s in (seed * 10, seed * 10 + 9, seed * 10 + 1))
    pool = {s.name: [s] for s in whole}
    for subgraph in (*broken, *other):
        pool.setdefault(subgraph.name, []).append(subgraph)
    composer = Composer()
    for _ in range(8):
        names = dice.sample(sorted(pool), dice.randint(1, len(pool)))
        chosen = [dice.choice(pool[name]) for name in names]
        assert answer(composer.compose(chosen)) == answer(compose(chosen))
        assert answer(composer.compose(chosen)) == answer(compose(chosen))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the subgraphs whose texts are read."""
    found: list[str] = []
    read: Callable[..., object] = module.__globals__["read"]

    def noted(name: str, sdl: str) -> object:
        found.append(name)
        return read(name, sdl)

    monkeypatch.setitem(module.__globals__, "read", noted)
    return found


def test_only_changed_texts_are_read_again(reads: list[str]) -> None:
    names = ["a", "b", "c"]
    first = [Subgraph(n, f"type Query {{ {n}: Int }}", f"http://{n}") for n in names]
    composer = Composer()
    composer.compose(first)
    assert reads == names
    second = [
        first[0],
        Subgraph("b", "type Query { b: Int! }", "http://b"),
        Subgraph("c", first[2].sdl, "http://elsewhere"),
    ]
    made = composer.compose(second)
    assert reads == [*names, "b"]
    assert made.supergraph is not None
    assert made.supergraph.graphs["C"].url == "http://elsewhere"
    composer.compose(second[:2])
    composer.compose(second)  # what left is forgotten
    assert reads == [*names, "b", "c"]
