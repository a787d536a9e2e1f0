"""Jobs on standard input -> problems on standard output. The process that checks what is large, and may be killed.

A message is its length in four bytes and then JSON. In: `{"schema", "value", "path"}`, or without `value` to check the
schema itself. Out: a list of `[path, message]`. It has no settings, no database and no network.
"""

from __future__ import annotations

import os
import resource
import sys
from typing import IO, Any, Final

import orjson

from shared_schema.json_text import json_value
from subgraphs.common.parameters.check import schema_problems, value_problems
from subgraphs.common.parameters.wire import HEADER

#: Of one process, in bytes: a value of the largest size needs a hundredth of it.
MAX_MEMORY: Final = 1024 * 1024 * 1024


def answer(job: dict[str, Any]) -> list[tuple[tuple[str, ...], str]]:
    """Carry out one job."""
    path = tuple(job["path"])
    if "value" in job:
        problems = value_problems(job["schema"], job["value"], path)
    else:
        problems = schema_problems(job["schema"], path)
    return [(problem.path, problem.message) for problem in problems]


def serve(source: IO[bytes], target: IO[bytes]) -> None:
    """Answer until the input ends: then the process that asks is gone."""
    _send(target, b"[]")  # Ready.
    while len(header := source.read(HEADER)) == HEADER:
        job = json_value(source.read(int.from_bytes(header, "big")))
        _send(target, orjson.dumps(answer(job)))


def _send(target: IO[bytes], message: bytes) -> None:
    target.write(len(message).to_bytes(HEADER, "big") + message)
    target.flush()


def main() -> None:
    """Answer the parent's requests until its pipe ends, within bounds of memory."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A process group's interrupt (Ctrl-C) is for the parent, which ends this process when it has finished.
    os.setpgid(0, 0)
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
