"""The embedded Postgres, watched: when it dies it is started again on the same data."""

import asyncio

from botberi.postgres import EmbeddedPostgres, PostgresError
from botberi.run.errors import StartError
from botberi.run.supervisor import Part, Ready
from botberi.settings import UpSettings


def server(settings: UpSettings) -> EmbeddedPostgres:
    """The server of the state folder, not yet started."""
    return EmbeddedPostgres(settings.state_dir, settings.postgres_port)


def part(postgres: EmbeddedPostgres) -> Part:
    """The part that keeps it running."""

    async def run(ready: Ready) -> None:
        try:
            await _start(postgres)
            ready(f"127.0.0.1:{postgres.port}, data in {postgres.data_dir}")
            while postgres.pid is not None:  # noqa: ASYNC110 - a process has no event to wait for
                await asyncio.sleep(0.5)
        finally:
            await asyncio.shield(asyncio.to_thread(postgres.stop))
        raise ConnectionError(f"the server process ended; see {postgres.log_file}")

    # The first start makes the cluster, which takes seconds on a slow disk.
    return Part("postgres", run, start_timeout=120.0, stop_timeout=40.0)


async def _start(postgres: EmbeddedPostgres) -> None:
    try:
        await asyncio.to_thread(postgres.start)
    except PostgresError as error:
        raise StartError(f"Postgres can't be started: {error}") from error
