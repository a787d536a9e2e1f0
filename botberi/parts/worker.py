"""The Celery worker: a child process, ready when Celery says so, started again when it dies."""

import os
from collections.abc import Mapping, Sequence
from typing import Final

from botberi.run import installing
from botberi.run.children import child
from botberi.run.supervisor import Part, Ready
from workers import worker_metrics
from workers.broker import QUEUE
from workers.celery_app import worker_argv
from workers.settings import WorkerSettings

#: Celery's warm shutdown gives running tasks this long; their runs are taken up by another worker after that.
_STOP: Final = 12.0
_START_SECONDS: Final = 90.0
#: A slow line needs long for the libraries that the bootstrap installs meanwhile.
_INSTALL_SECONDS: Final = 900.0


def part(
    concurrency: int,
    variables: Mapping[str, str],
    where: str,
    *,
    name: str = "worker",
    queue: str = QUEUE,
    after: Sequence[str] = (),
) -> Part:
    """A worker of one queue.

    `variables` join the environment: databases and broker, which the child reads as any worker does.
    """
    environment = dict(os.environ) | dict(variables) | {"BOTBERI_LOG_FORMAT": "json"}
    if environment.get("BOTBERI_LOG_LEVEL", "").upper() != "DEBUG":
        # That it is ready is one of its messages, at this level; which of them are shown is decided here.
        environment["BOTBERI_LOG_LEVEL"] = "INFO"
    is_of_runs = queue == QUEUE
    if not is_of_runs:
        # One worker of this machine has the port.
        environment.pop("BOTBERI_METRICS_PORT", None)
    else:
        environment |= worker_metrics.environment(WorkerSettings())
    if os.geteuid() == 0:
        # Celery warns of root because of pickle; only JSON is accepted here.
        environment["C_FORCE_ROOT"] = "1"
        environment["PYTHONWARNINGS"] = "ignore:You're running the worker with superuser"

    async def run(ready: Ready) -> None:
        if is_of_runs:
            await installing.until_installed()

        def hear(line: str) -> None:
            if " ready." in line:
                ready(f"{where}, {concurrency} {'processes' if is_of_runs else 'threads'}")

        command = worker_argv(concurrency, queue)
        # Without its banner: our own lines say what it does.
        command.insert(command.index("celery") + 1, "--quiet")
        async with child(name, command, env=environment, stop_timeout=_STOP, on_line=hear) as process:
            code = await process.wait()
        raise ChildProcessError(f"the {name} ended with exit code {code}")

    start_timeout = _START_SECONDS + (_INSTALL_SECONDS if is_of_runs and installing.is_pending() else 0.0)
    return Part(name, run, after=after, start_timeout=start_timeout, stop_timeout=_STOP + 8)
