"""A gateway on a site -> a running server that is asked, verified, loaded; what each of these took."""

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any

from lab.bench.gateway.gateways import Gateway, Launch
from lab.bench.gateway.process import Server, free_port, pinned
from lab.bench.gateway.site import Site
from lab.bench.gateway.tools import build
from lab.bench.gateway.workloads import MARK, Operation, Workload, expected

START_TIMEOUT = 90.0
#: Seconds that subscriptions are followed at least.
STREAMING = 3.0
#: In place of the mark when an answer is verified: no answer has it otherwise.
NUMBER = "990017"


class WrongAnswer(Exception):
    """The gateway can't do this workload: what it answered instead."""


@dataclass(frozen=True)
class Sample:
    """One measured run. Times are milliseconds for a request (or event); `shares` are the processes' parts of CPU."""

    requests: int
    seconds: float
    cpu_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    calls: float
    shares: tuple[float, ...]
    failures: int
    note: str = ""


@dataclass
class Running:
    """Made by `start`. `cold_start` is from the process' start to its first right answer."""

    gateway: Gateway
    dedupe: bool
    site: Site
    port: int
    server: Server
    load_cores: str | None
    cold_start: float = 0.0
    operations: dict[str, bytes] = field(default_factory=dict)
    _fresh: int = 1_000_000

    @property
    def label(self) -> str:
        return f"{self.gateway.name}+dedupe" if self.dedupe else self.gateway.name

    def ask(self, body: dict[str, Any], timeout: float = 30.0) -> tuple[int, bytes]:
        """Status and body of the answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            headers = {"content-type": "application/json", "accept": "application/json"}
            if self.site.graph.guarded:
                headers["authorization"] = "Bearer token"
            connection.request("POST", "/graphql", json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def verify(self, workload: Workload) -> None:
        """Ask each operation once, compare with what it has to be, remember the bytes. Raises `WrongAnswer`."""
        made = []
        wanted = [None] if workload.streams else expected(workload, NUMBER)
        for operation, data in zip(workload.operations, wanted, strict=True):
            body = operation.body()
            if workload.streams:
                made.append({"body": json.dumps(body), "answer": ""})
                continue
            status, answer = self.ask({**body, "query": operation.query.replace(MARK, NUMBER)})
            _judge(status, answer, data, workload.has_errors)
            made.append({"body": json.dumps(body), "answer": answer.decode().replace(NUMBER, MARK)})
        self.operations[workload.name] = json.dumps(made).encode()
        if workload.streams:
            seen = self.load(workload, 1.0, connections=1)
            if not seen.requests or seen.failures:
                raise WrongAnswer(f"no events: {seen.note}")

    def load(self, workload: Workload, seconds: float, connections: int | None = None) -> Sample:
        """A run under load that counts. Every answer is compared, byte for byte, with the verified one."""
        if workload.streams:
            # Opening fifty of them is CPU time too, and is to be lost in that of the events.
            seconds = max(seconds, STREAMING)
        path = self.site.folder / f"operations-{self.port}.json"
        path.write_bytes(self.operations[workload.name])
        connections = connections or workload.connections
        command = [str(build().load), "-operations", str(path), "-c", str(connections), "-d", str(seconds)]
        command += ["-first", str(self._fresh), *(["-events"] if workload.streams else [])]
        command += [*(["-authorized"] if self.site.graph.guarded else []), *(["-churn"] if workload.churn else [])]
        command += [f"http://127.0.0.1:{self.port}/graphql"]
        calls, before = self.site.calls(), self.server.cpu()
        # Collecting the generator's little garbage seldom leaves the core to the subgraphs.
        done = subprocess.run(
            ["env", "GOMAXPROCS=1", "GOGC=400", *pinned(command, self.load_cores)],
            capture_output=True,
            text=True,
            timeout=seconds + 90,
            check=True,
        )
        after, calls = self.server.cpu(), self.site.calls() - calls
        fields = json.loads(done.stdout)
        self._fresh = fields["next"] + 1
        return _sample(fields, before, after, calls)

    def warm(self, workload: Workload, cpu_seconds: float, connections: int | None = None) -> None:
        """Load until it has used so much CPU that a just-in-time compiler is done; at most a few times as long.

        Raises `WrongAnswer` where most answers are wrong or missing under load.
        """
        used, deadline = sum(self.server.cpu().values()), time.monotonic() + 4 * cpu_seconds + 1
        while time.monotonic() < deadline and sum(self.server.cpu().values()) - used < cpu_seconds:
            seen = self.load(workload, min(1.0, cpu_seconds), connections)
            if seen.failures > seen.requests:
                raise WrongAnswer(f"{seen.failures} requests failed under load {seen.note}")


def _judge(status: int, answer: bytes, data: Any, has_errors: bool) -> None:
    try:
        fields = json.loads(answer)
    except ValueError:
        fields = None
    if (
        status != 200
        or not isinstance(fields, dict)
        or fields.get("data") != data
        or bool(fields.get("errors")) != has_errors
    ):
        raise WrongAnswer(f"status {status}, {answer[:200].decode(errors='replace')}")


def _sample(fields: dict[str, Any], before: dict[int, float], after: dict[int, float], calls: int) -> Sample:
    requests = max(1, fields["requests"])
    # A process that ended in between took its clock with it, unless its parent waited for it: then it is in the
    # parent's.
    used = {pid: seconds - before.get(pid, 0.0) for pid, seconds in after.items()}
    whole = sum(used.values())
    shares = sorted((one / whole for one in used.values() if whole and one / whole > 0.01), reverse=True)
    return Sample(
        requests=fields["requests"],
        seconds=fields["duration_us"] / 1e6,
        cpu_ms=1000 * whole / requests,
        p50_ms=fields["p50_us"] / 1000,
        p95_ms=fields["p95_us"] / 1000,
        p99_ms=fields["p99_us"] / 1000,
        calls=calls / requests,
        shares=tuple(shares),
        failures=fields["bad"] + fields["io"],
        note=fields["sample"],
    )


def start(
    gateway: Gateway,
    site: Site,
    probe: Operation,
    cores: tuple[str | None, str | None],
    *,
    dedupe: bool = False,
    launch: Callable[[Site, int], Launch] | None = None,
) -> Running:
    """Start it and ask `probe` until the first answer without errors. Raises `WrongAnswer` where none comes."""
    port = free_port()
    made = launch(site, port) if launch is not None else gateway.launch(site, port, dedupe)
    log = site.folder / f"{gateway.name}-{port}.log"
    server = Server(pinned(made.command, cores[0]), log, cwd=made.cwd, env=made.env)
    running = Running(gateway, dedupe, site, port, server, cores[1])
    said = "nothing"
    try:
        while time.perf_counter() - server.started < START_TIMEOUT and server.running:
            try:
                status, answer = running.ask(probe.body())
                fields = json.loads(answer)
                if status == 200 and fields.get("data") and not fields.get("errors"):
                    running.cold_start = time.perf_counter() - server.started
                    return running
                said = answer[:200].decode(errors="replace")
            except (OSError, HTTPException, ValueError):
                pass
            time.sleep(0.005)
        raise WrongAnswer(f"it does not start: it said {said}; {server.last_words()[-400:]}")
    except BaseException:
        server.stop()
        raise
