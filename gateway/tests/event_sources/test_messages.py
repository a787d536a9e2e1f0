"""Messages of buses -> events; topic patterns; which source a URL names."""

import json
import sys
from typing import Any

import pytest

from botberi_gateway.config import EngineConfig, EventSourceConfig
from botberi_gateway.event_sources import source_of
from botberi_gateway.event_sources.message import event_of
from botberi_gateway.event_sources.postgres import ddl
from botberi_gateway.event_sources.topics import matches
from gateway.tests.support.toy_graph import toy_gateway

#: A message -> the event's attributes; None for one that is left out.
MESSAGES: list[tuple[Any, dict[str, Any] | None]] = [
    ({"id": "1", "version": 2, "done": True, "ratio": 0.5}, {"id": "1", "version": 2, "done": True, "ratio": 0.5}),
    ({"id": "1", "nested": {"a": 1}, "list": [1], "nothing": None}, {"id": "1"}),
    ({"specversion": "1.0", "type": "order.paid", "data": {"id": "1"}}, {"id": "1"}),
    ({"specversion": "1.0", "type": "order.paid"}, None),
    ([1], None),
    ("text", None),
]


@pytest.mark.parametrize(("message", "attributes"), MESSAGES)
def test_a_message_becomes_an_event(message: Any, attributes: dict[str, Any] | None) -> None:
    event = event_of("order.paid", json.dumps(message).encode())
    assert (None if event is None else dict(event.attributes)) == attributes
    if event is not None:
        assert (event.topic, event.key) == ("order.paid", event.attributes)


def test_a_message_that_is_no_json_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    assert event_of("order.paid", b"\xff{") is None
    assert "no JSON" in caplog.text


@pytest.mark.parametrize(
    ("pattern", "topic", "fits"),
    [
        ("order.paid", "order.paid", True),
        ("order.*", "order.paid", True),
        ("order.*", "order.paid.twice", False),
        ("order.#", "order.paid.twice", True),
        ("order.#", "order", True),
        ("#", "anything.at.all", True),
        ("*.paid", "order.paid", True),
        ("order", "order.paid", False),
        ("#." * 30 + "x", "y." * 200 + "z", False),
    ],
)
def test_topic_patterns(pattern: str, topic: str, fits: bool) -> None:
    assert matches(pattern, topic) is fits


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("amqp://guest@broker/", "AmqpSource"),
        ("amqps://broker/", "AmqpSource"),
        ("postgresql://db/app", "PostgresSource"),
        ("postgres://db/app", "PostgresSource"),
        ("redis://cache/0", "RedisSource"),
        ("rediss://cache/0", "RedisSource"),
    ],
)
def test_a_url_names_its_source(url: str, kind: str) -> None:
    assert type(source_of(EventSourceConfig(url=url))).__name__ == kind


def test_no_url_names_none_and_others_are_refused_without_their_password() -> None:
    assert source_of(EventSourceConfig()) is None
    with pytest.raises(ValueError, match="begins with one of amqp://") as caught:
        source_of(EventSourceConfig(url="kafka://user:secret@broker"))
    assert "secret" not in str(caught.value)


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aio_pika", None)
    monkeypatch.delitem(sys.modules, "botberi_gateway.event_sources.amqp", raising=False)
    with pytest.raises(ValueError, match=r"botberi-gateway\[amqp\]"):
        source_of(EventSourceConfig(url="amqp://broker/"))


@pytest.mark.parametrize("name", ["events; drop table x", "a.b.c", "", "1a", 'a"b'])
def test_names_of_tables_are_checked(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        ddl(name)
    with pytest.raises(ValueError, match="no name"):
        source_of(EventSourceConfig(url="postgresql://db/app", table=name))


def test_a_gateway_takes_the_source_of_its_configuration() -> None:
    gateway = toy_gateway(config=EngineConfig(event_source=EventSourceConfig(url="redis://cache/0")))
    assert gateway._event_router is not None
    assert toy_gateway()._event_router is None
