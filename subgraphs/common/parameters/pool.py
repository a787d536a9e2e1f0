"""Schemas and values to check -> problems; whatever is not surely quick is checked in a process that a clock ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Mapping
from typing import Any, Final

import orjson

from shared_schema.json_text import json_bytes, json_text
from subgraphs.common.errors import FieldProblem, Unavailable
from subgraphs.common.parameters.check import (
    QUICK_SCHEMA_BYTES,
    QUICK_VALUE_BYTES,
    compiled_schema,
    value_problems,
)
from subgraphs.common.parameters.graph import Path
from subgraphs.common.parameters.wire import HEADER

logger = logging.getLogger(__name__)

_MODULE: Final = "subgraphs.common.parameters.process"
#: A process that has not answered its first message by then never will.
_START_SECONDS: Final = 30.0


class ParameterChecks:
    """A small pool of processes, started when they are first needed; one for each app. Close it with the app."""

    def __init__(self, *, processes: int = 2, seconds: float = 2.0, max_waiting: int = 64) -> None:
        self._seconds = seconds
        self._max_waiting = max_waiting
        self._slots = asyncio.Semaphore(processes)
        self._idle: list[_Checker] = []
        self._jobs: set[asyncio.Task[list[FieldProblem]]] = set()

    async def schema(self, schema: Mapping[str, Any], path: Path) -> list[FieldProblem]:
        """As `schema_problems`. Raises `Unavailable` where too many wait."""
        return await self._apart({"schema": schema, "path": path}, path)

    async def value(self, schema: Mapping[str, Any], value: object, path: Path) -> list[FieldProblem]:
        """As `value_problems`. Raises `Unavailable` where too many wait."""
        is_small = json_bytes(schema) <= QUICK_SCHEMA_BYTES and json_bytes(value) <= QUICK_VALUE_BYTES
        if is_small and compiled_schema(schema).is_quick:
            return value_problems(schema, value, path)
        return await self._apart({"schema": schema, "value": value, "path": path}, path)

    async def aclose(self) -> None:
        """End the processes."""
        for task in list(self._jobs):
            task.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        await asyncio.gather(*(checker.end() for checker in self._idle))
        self._idle.clear()

    async def _apart(self, job: Mapping[str, Any], path: Path) -> list[FieldProblem]:
        if len(self._jobs) >= self._max_waiting:
            raise Unavailable("Too many parameters are being checked; try again in a moment.")
        # A task of its own: a request that is cancelled must not leave a process with half an answer.
        task = asyncio.create_task(self._carry_out(json_text(job).encode(), path), name="check-parameters")
        self._jobs.add(task)
        task.add_done_callback(self._over)
        return await asyncio.shield(task)

    def _over(self, task: asyncio.Task[list[FieldProblem]]) -> None:
        self._jobs.discard(task)
        if not task.cancelled():
            task.exception()

    async def _carry_out(self, job: bytes, path: Path) -> list[FieldProblem]:
        async with self._slots:
            checker = self._idle.pop() if self._idle else await _Checker.started()
            try:
                async with asyncio.timeout(self._seconds):
                    answer = await checker.ask(job)
            except TimeoutError:
                await checker.end()
                logger.warning("checking parameters took longer than %g s; the process was ended", self._seconds)
                message = f"This takes longer than {self._seconds:g} seconds to check; it has to be smaller or simpler."
                return [FieldProblem(path, message)]
            except (OSError, EOFError) as error:
                await checker.end()
                logger.error("the process that checks parameters ended: %r", error)
                return [FieldProblem(path, "This cannot be checked: it needs too much memory.")]
            except BaseException:
                await checker.end()
                raise
            self._idle.append(checker)
        return [FieldProblem(tuple(place), message) for place, message in answer]


class _Checker:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def started(cls) -> _Checker:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            _MODULE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # No settings of ours: the schemas that it reads come from users.
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.environ.get("PATH", os.defpath)},
        )
        checker = cls(process)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await checker._answer()
        except (TimeoutError, OSError, EOFError) as error:
            await checker.end()
            raise Unavailable("Parameters cannot be checked at the moment.") from error
        except BaseException:
            await checker.end()
            raise
        return checker

    async def ask(self, job: bytes) -> Any:
        """Raises `EOFError` or `OSError` when the process ends instead of answering."""
        assert self._process.stdin is not None
        self._process.stdin.write(len(job).to_bytes(HEADER, "big") + job)
        await self._process.stdin.drain()
        return await self._answer()

    async def end(self) -> None:
        """Kill the process, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def _answer(self) -> Any:
        assert self._process.stdout is not None
        header = await self._process.stdout.readexactly(HEADER)
        return orjson.loads(await self._process.stdout.readexactly(int.from_bytes(header, "big")))
