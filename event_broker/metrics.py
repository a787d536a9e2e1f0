"""Counters and gauges of the event broker, as Prometheus metrics of the default registry."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

PUBLISHED: Final = Counter("botberi_outbox_published_total", "Outbox rows published and marked.", ["database"])
PUBLISH_FAILURES: Final = Counter(
    "botberi_outbox_publish_failures_total", "Attempts to publish an outbox row that failed.", ["database"]
)
LAG: Final = Histogram(
    "botberi_outbox_lag_seconds",
    "From the write of an outbox row (or the wish for its replay) to its confirmed publication.",
    ["database"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
WAITING: Final = Gauge("botberi_outbox_waiting", "Outbox rows that wait, at the last look.", ["database"])
OLDEST: Final = Gauge(
    "botberi_outbox_oldest_seconds", "Age of the oldest row that waits, at the last look.", ["database"]
)
FAILING: Final = Gauge(
    "botberi_outbox_failing", "Rows that wait after a failed attempt, at the last look.", ["database"]
)
POSTGRES: Final = {
    column: Gauge(f"botberi_postgres_{name}", text, ["database"])
    for column, name, text in (
        ("numbackends", "connections", "Connections to the database, at the last look."),
        ("size", "size_bytes", "Bytes of the database's files."),
        ("xact_commit", "commits", "Transactions committed since the server's statistics began."),
        ("xact_rollback", "rollbacks", "Transactions rolled back since then."),
        ("blks_hit", "blocks_hit", "Blocks found in the server's memory since then."),
        ("blks_read", "blocks_read", "Blocks read from outside the server's memory since then."),
        ("deadlocks", "deadlocks", "Deadlocks since then."),
        ("temp_bytes", "temporary_bytes", "Bytes of temporary files since then."),
        ("max_connections", "max_connections", "Connections that the server takes."),
    )
}
RELAY_PARTITIONS: Final = Gauge(
    "botberi_relay_partitions", "Partitions (of 16) of the database's outbox that this process relays.", ["database"]
)
LISTENER_RECONNECTS: Final = Counter(
    "botberi_listener_reconnects_total", "Times that the LISTEN connection was made again.", ["database"]
)
HANDLER_FAILURES: Final = Counter("botberi_handler_failures_total", "Attempts of a handler that failed.", ["queue"])
DEAD_LETTERS: Final = Counter("botberi_dead_letters_total", "Events given up by their consumer.", ["queue"])
SUPERSEDED: Final = Counter("botberi_follower_superseded_total", "Events dropped for a newer one of their aggregate.")
LOST: Final = Counter("botberi_follower_lost_total", "Followers that missed events and had to start again.")
RECONNECTS: Final = Counter("botberi_amqp_reconnects_total", "AMQP connections made again.", ["role"])
BLOCKED: Final = Gauge(
    "botberi_amqp_blocked",
    "1 while RabbitMQ takes no messages on this connection: an alarm of memory or disk.",
    ["role"],
)
