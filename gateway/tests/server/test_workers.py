"""`serve --workers`: connections in turn, one page of metrics, the dead replaced, nothing dropped at the end."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from botberi_gateway.server.pages import merge
from gateway.tests.server.test_cli import ROOT, answers, cpu_seconds, free_port
from gateway.tests.support.live_server import LiveServer
from gateway.tests.support.subgraph_server import subgraph_services
from gateway.tests.support.toy_graph import SUPERGRAPH, World

BODY = json.dumps({"query": "{ me { name } }"}).encode()
HEAD = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY)
GOOD = b'{"data":{"me":{"name":"Ada"}}}'


@pytest.fixture(scope="module")
def services() -> Iterator[LiveServer]:
    with subgraph_services(World()) as server:
        yield server


@pytest.fixture
def supergraph(services: LiveServer, tmp_path: Path) -> Path:
    text = SUPERGRAPH
    for name in ("accounts", "reviews"):
        text = text.replace(f"http://{name}.test/graphql", f"{services.url}/{name}")
    path = tmp_path / "supergraph.graphql"
    path.write_text(text)
    return path


@contextmanager
def two_workers(supergraph: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    arguments = ["serve", "--port", str(port), "--supergraph", str(supergraph), "--workers", "2", "--no-access-log"]
    process = subprocess.Popen([sys.executable, "-m", "botberi_gateway", *arguments], cwd=ROOT, stderr=subprocess.PIPE)
    try:
        until(lambda: process.poll() is not None or answers(port))
        assert process.poll() is None
        until(lambda: metric(port, "gateway_processes") == 2)
        yield process, port
    finally:
        for pid in children(process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.kill()
        process.wait(10)
        assert process.stderr is not None
        process.stderr.close()


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    with suppress(FileNotFoundError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


class Client:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)

    def ask(self) -> bytes:
        self.socket.sendall(HEAD + BODY)
        found = b""
        while not found.endswith(GOOD):
            piece = self.socket.recv(65536)
            if not piece:
                raise ConnectionError(found.decode())
            found += piece
        return found


def page(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        text = b""
        while piece := connection.recv(65536):
            text += piece
    return text.decode()


def metric(port: int, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", page(port), re.M)
    return float(found[1]) if found else 0.0


OPERATIONS = 'gateway_operations_total{kind="query",outcome="ok"}'


def test_connections_in_turn_and_one_page(supergraph: Path) -> None:
    with two_workers(supergraph) as (process, port):
        pids = children(process.pid)
        assert len(pids) == 2
        clients = [Client(port) for _ in range(10)]
        before = [cpu_seconds(pid) for pid in pids]
        ids = {re.search(rb"x-request-id: (\w+)", client.ask())[1] for _ in range(30) for client in clients}  # type: ignore[index]
        assert len(ids) == 300, "no id twice, though the processes were one"
        assert {metric(port, OPERATIONS) for _ in range(4)} == {300}, "whichever process is asked"
        spent = [cpu_seconds(pid) - old for pid, old in zip(pids, before, strict=True)]
        assert min(spent) > max(spent) / 4, "both have worked"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_dead_worker_is_replaced_and_its_counts_are_kept(supergraph: Path) -> None:
    with two_workers(supergraph) as (process, port):
        for _ in range(10):
            Client(port).ask()
        time.sleep(2.5)  # until its page is saved
        first = children(process.pid)
        os.kill(first[0], signal.SIGKILL)
        until(lambda: len(set(children(process.pid)) - set(first)) == 1)
        until(lambda: metric(port, "gateway_processes") == 2)
        for _ in range(10):
            Client(port).ask()
        assert metric(port, OPERATIONS) == 20
        assert process.poll() is None


def test_stopping_under_load_drops_nothing(supergraph: Path) -> None:
    with two_workers(supergraph) as (process, port):
        stopped = threading.Event()
        outcomes: list[str] = []

        def load() -> None:
            while not stopped.is_set():
                try:
                    client = Client(port)
                except OSError:
                    return  # the port is closed
                try:
                    while b"connection: close" not in client.ask():
                        outcomes.append("answered")
                    outcomes.append("answered")
                except ConnectionError as error:
                    # Closed between two requests, as HTTP allows; never within an answer.
                    outcomes.append("closed" if not str(error) or isinstance(error, ConnectionResetError) else "cut")
                finally:
                    client.socket.close()

        threads = [threading.Thread(target=load) for _ in range(8)]
        for thread in threads:
            thread.start()
        until(lambda: outcomes.count("answered") > 50)
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
        stopped.set()
        for thread in threads:
            thread.join(30)
        assert code == 0
        assert "cut" not in outcomes
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=2)


def test_workers_that_can_not_start_end_the_command() -> None:
    script = """
import socket, sys
from botberi_gateway.server.workers import Workers
def work(channel, folder):
    raise RuntimeError("no")
with socket.create_server(("127.0.0.1", 0)) as listener:
    listener.setblocking(False)
    sys.exit(Workers(2, listener, work, 0.0, 1.0).run())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "RuntimeError: no" in done.stderr


def test_pages_are_added_family_by_family() -> None:
    one = b'# HELP a_total A.\n# TYPE a_total counter\na_total{x="1"} 2.0\n# HELP g G.\n# TYPE g gauge\ng 1.0\n'
    other = b'# HELP a_total A.\n# TYPE a_total counter\na_total{x="1"} 3.0\na_total{x="2 3"} 1.0\n'
    ended = b'# HELP a_total A.\n# TYPE a_total counter\na_total{x="1"} 10.0\n# HELP g G.\n# TYPE g gauge\ng 7.0\n'
    assert merge([one, other], [ended]).decode().splitlines() == [
        "# HELP a_total A.",
        "# TYPE a_total counter",
        'a_total{x="1"} 15.0',
        'a_total{x="2 3"} 1.0',
        "# HELP g G.",
        "# TYPE g gauge",
        "g 1.0",
    ]


async def test_the_page_of_one_process_alone(tmp_path: Path) -> None:
    from botberi_gateway.server.pages import SharedPages

    pages = SharedPages(tmp_path, lambda: b"# HELP g G.\n# TYPE g gauge\ng 1.0\n")
    await pages.start()
    await asyncio.sleep(0)
    assert (await pages.page()).endswith(b"g 1.0\n")
    await pages.stop()
