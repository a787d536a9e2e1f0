"""Settings -> Celery's broker URL and transport options; and pgmq's tables where they are missing."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg
from sqlalchemy import make_url

from workers.settings import WorkerSettings

#: Runs of agents, and the background work of identity (workers/identity).
QUEUE = "agents"
IDENTITY_QUEUE = "identity"
QUEUES = (QUEUE, IDENTITY_QUEUE)
CONNECT_SECONDS = 5
# One notification for the messages that come within this time; it is sent with the first of them.
BELL_INTERVAL_MS = 50
# Any number, the same in every process: only one of them installs.
_INSTALL_LOCK = 0x626F74706771


def broker_url(settings: WorkerSettings) -> str:
    """RabbitMQ's URL, or `pgmq://` with the place of the shared database (its credentials go another way)."""
    if settings.broker_url is not None:
        return settings.broker_url
    url = make_url(settings.require_shared_database_url())
    return f"pgmq://{url.host or 'localhost'}:{url.port or 5432}/{url.database or 'postgres'}"


def transport_options(settings: WorkerSettings) -> dict[str, Any]:
    """Settings of the transport, as kombu takes them."""
    if settings.broker_url is not None:
        # Without confirms a publish returns before the broker has the message, and a broker's crash loses it.
        return {"confirm_publish": True, "confirm_timeout": settings.dispatch_timeout_seconds}
    return {
        "conn_string": settings.require_shared_database_url(),
        "init_extension": False,
        "pool_size": 4,
        "pool_timeout": CONNECT_SECONDS,
        "visibility_timeout": settings.pgmq_visibility_seconds,
        # A read that waits in the server would hold a connection all the time; NOTIFY wakes instead.
        "wait_time_seconds": 0,
        "polling_interval": settings.pgmq_poll_seconds,
        "use_notify": True,
    }


def ensure_pgmq(settings: WorkerSettings) -> None:
    """Make pgmq's schema (plain SQL, no extension), the queues and their triggers, if they are missing. Idempotent."""
    if settings.broker_url is not None:
        return
    from pgmq.install import get_embedded_install_sql

    url = settings.require_shared_database_url()
    with psycopg.connect(url, connect_timeout=CONNECT_SECONDS) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_INSTALL_LOCK,))
        if not _is_there(connection, "SELECT to_regclass('pgmq.meta') IS NOT NULL"):
            # A script of the package, without a value of ours in it.
            connection.execute(get_embedded_install_sql())
        for queue in QUEUES:
            if not _is_there(connection, "SELECT EXISTS (SELECT FROM pgmq.meta WHERE queue_name = %s)", queue):
                connection.execute("SELECT pgmq.create(%s)", (queue,))
            # The table of notifications is unlogged: a crash of the server empties it, and the trigger goes quiet.
            notifies = "SELECT EXISTS (SELECT FROM pgmq.notify_insert_throttle WHERE queue_name = %s)"
            if not _is_there(connection, notifies, queue):
                connection.execute("SELECT pgmq.enable_notify_insert(%s, %s)", (queue, BELL_INTERVAL_MS))


def _is_there(connection: psycopg.Connection[Any], question: LiteralString, *values: str) -> bool:
    row = connection.execute(question, values).fetchone()
    return row is not None and bool(row[0])
