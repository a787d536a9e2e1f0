"""Every dashboard as a table of panels -> dashboards/*.json for Grafana.

`python infra/grafana/dashboards.py` writes them.

A row is (title, unit, expression, legend). tests/platform/test_full_stack.py runs every expression against a
Prometheus that has scraped the real platform.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

Row = tuple[str, str, str, str]

_FOLDER: Final = Path(__file__).parent / "dashboards"
_SOURCE: Final = {"type": "prometheus", "uid": "prometheus"}

DASHBOARDS: Final[Mapping[str, tuple[str, Sequence[Row]]]] = {
    "gateway": (
        "Gateway",
        (
            (
                "Operations",
                "ops",
                "sum by (kind, outcome) (rate(gateway_operations_total[1m]))",
                "{{kind}} {{outcome}}",
            ),
            ("Operation time, p99", "s", "botberi:operation_seconds:p99_5m", "{{kind}}"),
            (
                "Operation time, p50",
                "s",
                "histogram_quantile(0.5, sum by (le, kind) (rate(gateway_operation_duration_seconds_bucket[5m])))",
                "{{kind}}",
            ),
            (
                "Requests to subgraphs",
                "reqps",
                "sum by (subgraph, outcome) (rate(gateway_subgraph_requests_total[1m]))",
                "{{subgraph}} {{outcome}}",
            ),
            (
                "Time of subgraphs, p99",
                "s",
                "histogram_quantile(0.99, sum by (le, subgraph)"
                " (rate(gateway_subgraph_request_duration_seconds_bucket[5m])))",
                "{{subgraph}}",
            ),
            (
                "Operations that were ready",
                "percentunit",
                'sum(rate(gateway_plan_cache_requests_total{result="hit"}[5m]))'
                " / sum(rate(gateway_plan_cache_requests_total[5m]))",
                "of all",
            ),
            ("Subscriptions", "short", "sum by (instance) (gateway_subscriptions_active)", "{{instance}}"),
            ("WebSockets", "short", "sum by (instance) (gateway_websockets_open)", "{{instance}}"),
        ),
    ),
    "events": (
        "Events",
        (
            ("Published", "ops", "sum by (database) (rate(botberi_outbox_published_total[1m]))", "{{database}}"),
            (
                "From the row to the bus, p99",
                "s",
                "histogram_quantile(0.99, sum by (le, database) (rate(botberi_outbox_lag_seconds_bucket[5m])))",
                "{{database}}",
            ),
            ("Rows that wait", "short", "max by (database) (botberi_outbox_waiting)", "{{database}}"),
            ("Age of the oldest", "s", "max by (database) (botberi_outbox_oldest_seconds)", "{{database}}"),
            ("Partitions relayed (of 16)", "short", "sum by (database) (botberi_relay_partitions)", "{{database}}"),
            ("Rows that were refused", "short", "max by (database) (botberi_outbox_failing)", "{{database}}"),
            ("Messages in queues", "short", "sum(rabbitmq_queue_messages)", "all queues"),
            ("Events dropped for newer ones", "ops", "sum(rate(botberi_follower_superseded_total[5m]))", "superseded"),
        ),
    ),
    "celery": (
        "Celery",
        (
            ("Workers", "short", "botberi:workers", "{{job}}"),
            ("Workers that Flower sees", "short", "sum by (worker) (flower_worker_online)", "{{worker}}"),
            (
                "Tasks",
                "ops",
                "sum by (task, outcome) (rate(botberi_tasks_total[5m]))",
                "{{task}} {{outcome}}",
            ),
            (
                "Task time, p99",
                "s",
                "histogram_quantile(0.99, sum by (le, task) (rate(botberi_task_seconds_bucket[5m])))",
                "{{task}}",
            ),
            (
                "Since a task last succeeded",
                "s",
                "time() - max by (task) (botberi_task_success_timestamp_seconds)",
                "{{task}}",
            ),
            ("Events of Celery", "ops", "sum by (type) (rate(flower_events_total[5m]))", "{{type}}"),
        ),
    ),
    "postgres": (
        "Postgres",
        (
            ("Connections", "short", "max by (database) (botberi_postgres_connections)", "{{database}}"),
            (
                "Connections in use",
                "percentunit",
                "sum(max by (database) (botberi_postgres_connections)) / max(botberi_postgres_max_connections)",
                "of max_connections",
            ),
            ("Transactions", "ops", "max by (database) (rate(botberi_postgres_commits[5m]))", "{{database}}"),
            ("Rolled back", "ops", "max by (database) (rate(botberi_postgres_rollbacks[5m]))", "{{database}}"),
            (
                "Blocks found in memory",
                "percentunit",
                "max by (database) (botberi_postgres_blocks_hit)"
                " / (max by (database) (botberi_postgres_blocks_hit)"
                " + max by (database) (botberi_postgres_blocks_read))",
                "{{database}}",
            ),
            ("Size", "bytes", "max by (database) (botberi_postgres_size_bytes)", "{{database}}"),
            ("Deadlocks", "short", "max by (database) (botberi_postgres_deadlocks)", "{{database}}"),
            ("Temporary files", "bytes", "max by (database) (botberi_postgres_temporary_bytes)", "{{database}}"),
        ),
    ),
    "instances": (
        "Instances and business",
        (
            (
                "Runs that ended",
                "ops",
                "sum by (workflow, outcome) (rate(botberi_worker_runs_total[5m]))",
                "{{workflow}} {{outcome}}",
            ),
            (
                "Runs of the last hour",
                "short",
                "sum by (workflow) (increase(botberi_worker_runs_total[1h]))",
                "{{workflow}}",
            ),
            (
                "Share that succeeded, last hour",
                "percentunit",
                'sum(increase(botberi_worker_runs_total{outcome="SUCCEEDED"}[1h]))'
                " / sum(increase(botberi_worker_runs_total[1h]))",
                "succeeded",
            ),
            ("Runs that haven't ended", "short", "max by (status) (botberi_runs)", "{{status}}"),
            (
                "From the making to the first attempt, p95",
                "s",
                "histogram_quantile(0.95, sum by (le) (rate(botberi_worker_run_wait_seconds_bucket[5m])))",
                "all workflows",
            ),
            (
                "Computing time, p95",
                "s",
                "histogram_quantile(0.95, sum by (le, workflow) (rate(botberi_worker_run_seconds_bucket[5m])))",
                "{{workflow}}",
            ),
            ("Computed now", "short", "sum(botberi_worker_runs_active)", "runs"),
            ("Waits longest", "s", "max(botberi_runs_oldest_waiting_seconds)", "for a worker"),
        ),
    ),
    "objectives": (
        "Objectives",
        (
            ("Bad events, five minutes", "percentunit", "botberi:slo_errors:ratio5m", "{{slo}}"),
            ("Bad events, an hour", "percentunit", "botberi:slo_errors:ratio1h", "{{slo}}"),
            ("Bad events, six hours", "percentunit", "botberi:slo_errors:ratio6h", "{{slo}}"),
            ("Parts that are up", "short", "sum by (job) (up)", "{{job}}"),
        ),
    ),
}


def expressions() -> Iterator[tuple[str, str]]:
    """Every panel's name and expression."""
    for name, (_, rows) in DASHBOARDS.items():
        for title, _, expression, _ in rows:
            yield f"{name}: {title}", expression


def dashboard(name: str) -> dict[str, Any]:
    """One dashboard, as Grafana reads it."""
    title, rows = DASHBOARDS[name]
    panels = [
        {
            "id": number + 1,
            "type": "timeseries",
            "title": row[0],
            "datasource": _SOURCE,
            "gridPos": {"h": 8, "w": 12, "x": 12 * (number % 2), "y": 8 * (number // 2)},
            "fieldConfig": {"defaults": {"unit": row[1], "min": 0}, "overrides": []},
            "targets": [{"refId": "A", "datasource": _SOURCE, "expr": row[2], "legendFormat": row[3]}],
        }
        for number, row in enumerate(rows)
    ]
    return {
        "uid": f"botberi-{name}",
        "title": f"Botberi: {title}",
        "tags": ["botberi"],
        "timezone": "browser",
        "schemaVersion": 39,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "panels": panels,
    }


def text(name: str) -> str:
    """The file of one dashboard."""
    return json.dumps(dashboard(name), indent=2) + "\n"


if __name__ == "__main__":
    for each in DASHBOARDS:
        (_FOLDER / f"{each}.json").write_text(text(each))
