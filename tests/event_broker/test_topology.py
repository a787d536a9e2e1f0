"""Topics match as in AMQP, at a cost that no pattern can blow up."""

import time

import pytest

from event_broker.topology import (
    EXCHANGE,
    EXCHANGES,
    QUEUES,
    check_pattern,
    declared,
    matches,
    queue_spec,
)

CASES = [
    ("instance.created", "instance.created", True),
    ("instance.created", "instance.updated", False),
    ("instance.*", "instance.updated", True),
    ("instance.*", "instance", False),
    ("instance.*", "instance.status.updated", False),
    ("instance.#", "instance", True),
    ("instance.#", "instance.a.b.c", True),
    ("#", "anything.at.all", True),
    ("#.updated", "updated", True),
    ("#.updated", "a.b.updated", True),
    ("#.updated", "a.b.updated.c", False),
    ("a.#.z", "a.z", True),
    ("a.#.z", "a.b.c.z", True),
    ("a.#.z", "a.b.c", False),
    ("*.*", "a.b", True),
    ("*.#.*", "a", False),
    ("*.#.*", "a.b", True),
    ("#.#", "a", True),
]


@pytest.mark.parametrize(("pattern", "topic", "expected"), CASES)
def test_matches(pattern: str, topic: str, expected: bool) -> None:
    assert matches(pattern, topic) is expected


def test_many_wildcards_take_little_time() -> None:
    begin = time.perf_counter()
    assert not matches(".".join(["#", "a"] * 25), ".".join(["a"] * 60 + ["b"]))
    assert time.perf_counter() - begin < 0.1


@pytest.mark.parametrize("pattern", ["", ".", "a.", ".a", "a..b", "a*", "#a.b", "x" * 256, "ä" * 200])
def test_patterns_are_checked(pattern: str) -> None:
    with pytest.raises(ValueError, match="not a topic pattern"):
        check_pattern(pattern)


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_queue_names_are_checked(name: str) -> None:
    with pytest.raises(ValueError, match="not a queue name"):
        queue_spec(name, ["a.b"])


def test_every_queue_has_limits_and_dead_letters() -> None:
    known = {spec.name: spec for spec in EXCHANGES}
    assert known[EXCHANGE].kind == "topic"
    assert known[EXCHANGE].alternate in known
    for spec in QUEUES:
        dead, own = declared(spec)
        assert own.arguments["x-delivery-limit"] > 0
        assert (own.arguments["x-dead-letter-exchange"], own.arguments["x-dead-letter-routing-key"]) in dead.bindings
        assert own.arguments["x-queue-type"] == dead.arguments["x-queue-type"] == "quorum"
        # Neither throws away what it was given.
        assert own.arguments["x-overflow"] == dead.arguments["x-overflow"] == "reject-publish"
        assert own.bindings == tuple((EXCHANGE, topic) for topic in spec.topics)
        assert queue_spec(spec.name, spec.topics) == spec
