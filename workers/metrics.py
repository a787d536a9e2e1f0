"""Counters of the dispatcher and the reaper, for Prometheus' default registry."""

from prometheus_client import Counter, Gauge, Histogram

DISPATCHED = Counter("botberi_runs_dispatched_total", "Run messages sent to workers.", ["reason"])
DISPATCH_FAILURES = Counter("botberi_run_dispatch_failures_total", "Run messages that the broker didn't confirm.")
DISPATCH_SECONDS = Histogram("botberi_run_dispatch_seconds", "Time until the broker confirmed a run message.")
REAPED = Counter("botberi_runs_reaped_total", "Runs whose worker was lost, by what became of them.", ["outcome"])
RUNS = Gauge("botberi_runs", "Runs that haven't ended, by status.", ["status"])
OLDEST_WAITING = Gauge("botberi_runs_oldest_waiting_seconds", "Age of the run that waits longest for a worker.")
FIRED = Counter(
    "botberi_schedules_due_total", "Firings of schedules that came due, by what became of them.", ["outcome"]
)
