"""The platform learns from the worker's own messages that it is ready, whichever level is shown."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from botberi.parts import worker


class Process:
    async def wait(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("shown", "written"), [("ERROR", "INFO"), ("WARNING", "INFO"), ("INFO", "INFO"), ("DEBUG", "DEBUG")]
)
async def test_a_worker_writes_that_it_is_ready_whichever_messages_are_shown(
    monkeypatch: pytest.MonkeyPatch, shown: str, written: str
) -> None:
    environments: list[Mapping[str, str]] = []

    @asynccontextmanager
    async def child(
        name: str, command: Any, *, env: Mapping[str, str], on_line: Any, **_: Any
    ) -> AsyncIterator[Process]:
        environments.append(env)
        on_line("agents-1@host ready.")
        yield Process()

    monkeypatch.setenv("BOTBERI_LOG_LEVEL", shown)
    monkeypatch.setattr(worker, "child", child)
    places: list[str] = []
    part = worker.part(2, {}, "Celery")
    with pytest.raises(ChildProcessError):
        await asyncio.wait_for(part.run(places.append), 5)
    assert places == ["Celery, 2 processes"]
    assert environments[0]["BOTBERI_LOG_LEVEL"] == written
