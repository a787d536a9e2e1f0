"""How operations are prepared, run and fed with events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from botberi_gateway.config.operation import ExecutionBudget, OperationLimits
from botberi_gateway.config.setting import BYTES, SECONDS, branch, setting
from botberi_gateway.config.subgraph import InProcessConfig, SubgraphConfig


@dataclass(frozen=True, slots=True)
class EventSourceConfig:
    """Where events for `@eventSource` come from, and what happens while they can't be followed."""

    url: str | None = setting(
        None,
        "RabbitMQ (`amqp://`), a table of Postgres (`postgresql://`) or a stream of Redis (`redis://`), each by an "
        "extra of the distribution: `botberi-gateway[amqp]`, `[postgres]`, `[redis]`.",
        option="--event-source",
        secret=True,
        restart=True,
    )
    exchange: str = setting("events", "RabbitMQ: the topic exchange.", restart=True)
    table: str = setting("gateway_events", "Postgres: the table of events.", restart=True)
    channel: str = setting("gateway_events", "Postgres: the channel of NOTIFY.", restart=True)
    stream: str = setting("gateway_events", "Redis: the key of the stream.", restart=True)
    max_queued_events: int = setting(
        10_000, "Events that wait to be handed on before a follower begins again.", unit="events", restart=True
    )
    resume_timeout_seconds: float = setting(
        30.0,
        "Postgres and Redis: how long a lost connection is made again unnoticed by subscribers, as reading goes on "
        "where it was.",
        unit=SECONDS,
        restart=True,
    )
    loss_timeout_seconds: float = setting(
        60.0, "A source that stays lost for longer ends the subscriptions that it feeds.", unit=SECONDS, restart=True
    )
    join_timeout_seconds: float = setting(
        10.0, "How long a new subscription waits for a source that is lost at that moment.", unit=SECONDS, restart=True
    )
    first_backoff_seconds: float = setting(
        0.1, "Pause before the source is followed again.", unit=SECONDS, restart=True
    )
    max_backoff_seconds: float = setting(
        5.0, "The pause doubles with each failure, up to this one.", unit=SECONDS, restart=True
    )


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """One `Gateway`: its caches, its threads, and the limits of what it runs."""

    max_cached_operations: int = setting(
        2_000,
        "Operations that are kept ready (parsed, validated, planned); those that came once are evicted first, then "
        "what was used longest ago.",
        unit="operations",
        option="--max-cached-operations",
    )
    max_cache_bytes: int = setting(
        64 * 1024 * 1024, "The same by the memory that they are estimated to take, whichever comes first.", unit=BYTES
    )
    max_planning_threads: int = setting(
        2, "Threads that parse, validate, plan and compile operations.", unit="threads", restart=True
    )
    max_planning_backlog: int = setting(
        200, "New operations that wait for such a thread; the next ones are refused.", unit="operations"
    )
    planning_timeout_seconds: float = setting(5.0, "How long a request waits for its plan.", unit=SECONDS)
    max_interpreted_runs: int = setting(
        2,
        "Runs of a query or mutation by the interpreter before its plan is compiled, in a thread and when there is "
        "time; 0 compiles it before its first run.",
        unit="runs",
    )
    max_untyped_runs: int = setting(
        20,
        "Runs of a query or mutation before it gets a program over typed answers, too.",
        unit="runs",
    )
    label_timeout_seconds: float = setting(
        1.0, "Time that the labels of progressive overrides may take to be decided.", unit=SECONDS
    )
    operation_timeout_seconds: float = setting(
        30.0, "A query or mutation as a whole; of a subscription, one event.", unit=SECONDS
    )
    subgraph_timeout_seconds: float = setting(
        15.0, "One request to a subgraph that has no configuration of its own.", unit=SECONDS
    )
    max_concurrent_events: int = setting(
        64, "Events that are resolved at the same time, of all subscriptions together.", unit="events", restart=True
    )
    max_pending_events: int = setting(
        1_000,
        "Entities whose events may wait for one slow subscriber; events of the same entity wait as one.",
        unit="events",
    )
    max_errors: int = setting(50, "Entries of `errors` in one response; more are counted.", unit="errors")
    allow_unenforced: Sequence[str] = setting(
        (),
        "Security features (such as `authenticated`) that the graph may have though nothing here enforces them.",
        option="--allow-unenforced",
    )
    error_extensions: Sequence[str] = setting(
        (), "Keys of `extensions` in subgraphs' errors that clients get too, beside `code`.", option="--error-extension"
    )
    executor: Literal["compiled", "interpreted", "both"] = setting(
        "compiled",
        "What runs plans: generated code, the interpreter, or both (what differs is an error; for tests).",
        option="--executor",
        restart=True,
    )
    operation: OperationLimits = branch(OperationLimits, "What one document may ask for.")
    budget: ExecutionBudget = branch(ExecutionBudget, "What one operation may use while it runs.")
    event_source: EventSourceConfig = branch(EventSourceConfig, "What happens while the event source is lost.")
    subgraph: SubgraphConfig = branch(
        SubgraphConfig, "Calls to subgraphs over HTTP, where a subgraph's client isn't given one of its own."
    )
    subgraphs: Mapping[str, SubgraphConfig] = setting(
        {},
        "The same for single subgraphs, by name; their whole `timeout_seconds` counts in place of "
        "`subgraph_timeout_seconds`. In a file, what an entry doesn't say is as in `subgraph`.",
        item=SubgraphConfig,
        inherits="engine.subgraph",
    )
    in_process: InProcessConfig = branch(
        InProcessConfig, "Calls to subgraphs in this process, where a subgraph's client isn't given one of its own."
    )
