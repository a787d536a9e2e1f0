"""Waiting for messages on Postgres ends when the worker shall stop."""

import threading
import time
from typing import Any

import pytest
from celery.signals import worker_shutting_down
from kombu.transport import pgmq

from workers.transport import Transport


class Waits:
    """In place of kombu's transport: waits as long as it may, and notes how long that was."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds: list[float] = []
        self.message_after: float | None = None

        def drain_events(transport: object, connection: object, timeout: float) -> None:
            self.seconds.append(timeout)
            if self.message_after is not None and self.message_after <= sum(self.seconds):
                return
            time.sleep(timeout / 10)
            raise TimeoutError

        monkeypatch.setattr(pgmq.Transport, "drain_events", drain_events)
        monkeypatch.setattr(Transport, "stopping", False)

    def drain(self, timeout: float | None) -> None:
        transport: Any = object.__new__(Transport)
        transport.drain_events(None, timeout=timeout)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    return Waits(monkeypatch)


def test_it_waits_to_the_end_of_its_time(waits: Waits) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        waits.drain(0.3)
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("timeout", [None, 60.0])
def test_a_message_ends_the_wait(waits: Waits, timeout: float | None) -> None:
    waits.message_after = 3.0
    waits.drain(timeout)
    assert sum(waits.seconds) == 3.0


@pytest.mark.parametrize("timeout", [None, 60.0])
def test_a_worker_that_shall_stop_ends_the_wait_and_begins_no_other(waits: Waits, timeout: float | None) -> None:
    threading.Timer(0.2, lambda: worker_shutting_down.send(sender="test", sig="TERM", how="Warm", exitcode=0)).start()
    began = time.monotonic()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            waits.drain(timeout)
    assert 0.2 <= time.monotonic() - began < 10
