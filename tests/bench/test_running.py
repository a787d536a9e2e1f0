"""A gateway under the benchmark's load: answers are compared byte for byte, CPU and calls counted."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.bench.gateway import run
from lab.bench.gateway.gateways import ALL, OURS, Launch, ours
from lab.bench.gateway.graphs import many
from lab.bench.gateway.hive_router import router_config
from lab.bench.gateway.process import Server, cpu_of, pinned
from lab.bench.gateway.running import Running, WrongAnswer, start
from lab.bench.gateway.site import Site, served
from lab.bench.gateway.tools import build, go
from lab.bench.gateway.workloads import GRAPHS, Operation, Workload, workloads

needs_go = pytest.mark.skipif(go() is None, reason="Go is not here: the benchmark's programs can't be built")
THINGS = Workload("things", "", "many3", (Operation(many.query(3)), Operation(many.query(2))))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(GRAPHS["many3"](), tmp_path_factory.mktemp("many3"), None) as made:
        yield made


@pytest.fixture(scope="module")
def running(site: Site) -> Iterator[Running]:
    made = start(ALL[OURS], site, Operation(many.query(1)), (None, None))
    with made.server:
        yield made


@needs_go
def test_a_run_counts_requests_calls_and_cpu(running: Running) -> None:
    running.verify(THINGS)
    seen = running.load(THINGS, 0.5, connections=4)
    assert seen.requests >= 4
    assert seen.failures == 0
    assert seen.calls == pytest.approx(2.5, abs=0.3), "three subgraphs, and two, in turn"
    assert 0 < seen.cpu_ms < 1000
    assert seen.p50_ms <= seen.p95_ms <= seen.p99_ms
    assert sum(seen.shares) == pytest.approx(1, abs=0.05)
    assert running.server.memory() > 10


@needs_go
def test_an_answer_that_is_not_the_verified_one_counts_as_a_failure(running: Running) -> None:
    running.verify(THINGS)
    operations = json.loads(running.operations["things"])
    operations[0]["answer"] = operations[0]["answer"].replace("t1", "t2", 1)
    running.operations["things"] = json.dumps(operations).encode()
    seen = running.load(THINGS, 0.3, connections=2)
    assert seen.failures == pytest.approx(seen.requests / 2, abs=2)
    assert "t1" in seen.note


@needs_go
def test_a_gateway_with_wrong_data_is_not_measured(running: Running) -> None:
    wrong = Workload("wrong", "", "many3", (Operation("{ things { id f0 } }"),), has_errors=True)
    with pytest.raises(WrongAnswer, match="status 200"):
        running.verify(wrong)


@needs_go
def test_a_gateway_that_does_not_start_is_reported_with_its_last_words(site: Site) -> None:
    def broken(_site: Site, _port: int) -> Launch:
        return Launch([sys.executable, "-c", "raise SystemExit('no supergraph today')"], Path.cwd())

    with pytest.raises(WrongAnswer, match="no supergraph today"):
        start(ALL[OURS], site, Operation("{ __typename }"), (None, None), launch=broken)


@needs_go
@pytest.mark.parametrize("name", ["errors", "cold", "subscription", "mix", "choices-new", "churn"])
def test_ours_does_the_less_common_workloads(name: str, tmp_path: Path) -> None:
    workload = workloads()[name]
    with served(GRAPHS[workload.graph](), tmp_path, None) as site:
        running = start(ALL[OURS], site, run.PROBES[workload.graph], (None, None))
        with running.server:
            running.verify(workload)
            seen = running.load(workload, 0.5, connections=3)
    assert seen.failures == 0, seen.note
    assert seen.requests > 0


@needs_go
def test_a_run_has_a_series_for_each_workload_and_gateway(tmp_path: Path) -> None:
    extent = run.Extent(2, 0.3, 1, 0.3, starts=2, warm=0.1)
    results = run.run([OURS], run.by_name(["small"]), extent, tmp_path)
    series = results.series["small"][OURS]
    assert [one.failures for one in series.samples] == [0, 0]
    assert len(results.cold[OURS]) == 2
    assert series.rss_mb > 10


@needs_go
def test_the_load_takes_errors_in_any_order_and_data_in_its_own(tmp_path: Path) -> None:
    """A server that turns its errors round, and then its data."""
    answers = [
        b'{"data":{"a":1},"errors":[{"message":"x"},{"message":"y"}]}',
        b'{"data":{"a":1},"errors":[{"message":"y"},{"message":"x"}]}',
        b'{"data":{"a":2},"errors":[{"message":"y"},{"message":"x"}]}',
    ]
    (tmp_path / "operations.json").write_text(json.dumps([{"body": "{}", "answer": answers[0].decode()}]))
    script = f"""
import http.server, itertools
answers = itertools.cycle({answers!r})
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        answer = next(answers)
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""
    with Server([sys.executable, "-c", script], tmp_path / "log", pipe=True) as server:
        address = f"http://127.0.0.1:{int(server.output.readline())}/graphql"
        command = [str(build().load), "-operations", str(tmp_path / "operations.json"), "-c", "1", "-d", "0.3", address]
        report = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=30).stdout)
    third = report["requests"] / 3
    assert report["reordered"] == pytest.approx(third, abs=1)
    assert report["bad"] == pytest.approx(third, abs=1)


def test_a_process_clock_is_its_cpu_time() -> None:
    before = cpu_of(os.getpid())
    began = time.process_time()
    while time.process_time() - began < 0.05:
        pass
    after = cpu_of(os.getpid())
    assert before is not None
    assert after is not None
    assert 0.05 <= after - before < 0.5
    assert cpu_of(2**22 + 1) is None


def test_children_are_counted_and_stopped(tmp_path: Path) -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    with Server([sys.executable, "-c", script], tmp_path / "log") as server:
        deadline = time.monotonic() + 20
        while len(server.processes()) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        pids = server.processes()
        assert len(pids) == 2
        assert set(server.cpu()) == set(pids)
    deadline = time.monotonic() + 10
    while any(runs(pid) for pid in pids):
        # Killed, and on a busy machine not gone yet.
        assert time.monotonic() < deadline
        time.sleep(0.05)


def runs(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def test_nothing_is_pinned_where_no_core_is_named() -> None:
    assert pinned(["x"], None) == ["x"]


@pytest.mark.parametrize("dedupe", [True, False])
def test_hive_routers_configuration_says_whether_requests_are_joined(dedupe: bool, tmp_path: Path) -> None:
    path = tmp_path / "supergraph.graphql"
    path.write_text("type Query { a: Int }")
    text = router_config(path, 4000, dedupe)
    assert text.count(str(dedupe).lower()) == 2
    assert "subscriptions" not in text


@needs_go
def test_a_gateway_that_keeps_the_clients_authorization_is_not_measured(tmp_path: Path) -> None:
    """Subgraphs of `guarded` refuse requests without it."""

    def without_header(site: Site, port: int) -> Launch:
        made = ours(site, port, False)
        at = made.command.index("--forward-header")
        return Launch(made.command[:at] + made.command[at + 2 :], made.cwd, made.env)

    with served(GRAPHS["guarded"](), tmp_path, None) as site, pytest.raises(WrongAnswer, match="401"):
        start(ALL[OURS], site, run.PROBES["guarded"], (None, None), launch=without_header)
