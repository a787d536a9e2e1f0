"""Servers for benchmarks: a migrated Postgres that syncs its log, and a RabbitMQ node (or `BOTBERI_AMQP_URL`)."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from botberi.postgres import EmbeddedPostgres
from lab.bench.peers import PeersMissing
from lab.faults.rabbitmq import RabbitNode, installed
from shared_schema.migrate import DATABASES, upgrade


@contextmanager
def databases() -> Iterator[tuple[str, str]]:
    """The URLs of `user_psql` and `shared_psql`."""
    with tempfile.TemporaryDirectory(prefix="botberi-bench-", dir="/tmp") as folder:
        # Root's server runs as another user, who must be able to enter.
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "state", 0) as postgres:
            urls = (postgres.url(DATABASES[0]), postgres.url(DATABASES[1]))
            for name, url in zip(DATABASES, urls, strict=True):
                upgrade(name, url)
            yield urls


@contextmanager
def rabbitmq() -> Iterator[str]:
    """RabbitMQ's URL. Raises `PeersMissing`."""
    if url := os.environ.get("BOTBERI_AMQP_URL"):
        yield url
        return
    if not installed():
        raise PeersMissing("no RabbitMQ here: install Debian's rabbitmq-server, or set BOTBERI_AMQP_URL.")
    with RabbitNode() as node:
        yield node.url
