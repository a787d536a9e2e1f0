"""V1, W11, W26 through our nginx.conf: requests of clients stay apart, and the client's address is nginx's word."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from botberi_gateway.config import GatewayConfig, TransportConfig
from botberi_gateway.server.app import create_app
from gateway.tests.support.live_server import LiveServer, live
from gateway.tests.support.toy_graph import World, toy_gateway
from lab.checks import debian

NGINX = debian.nginx()
CONFIG = GatewayConfig(
    transport=TransportConfig(trusted_proxies=("127.0.0.1",), forward_headers=("x-forwarded-for", "forwarded"))
)
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx: install Debian's nginx")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def front(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """nginx with our configuration before a gateway; only addresses and files are other ones."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    with live(lambda: create_app(toy_gateway(world), CONFIG), CONFIG) as server:
        _wait_for(server)
        text = (ROOT / "infra/nginx/nginx.conf").read_text()
        for old, new in (
            ("gateway:8080", f"127.0.0.1:{server.port}"),
            ("listen 80", f"listen 127.0.0.1:{port}"),
            ("/tmp/nginx.pid", f"{folder}/nginx.pid"),
            ("/dev/stderr", f"{folder}/error.log"),
            ("/dev/stdout", f"{folder}/access.log"),
            ("worker_processes auto", "worker_processes 1"),
        ):
            text = text.replace(old, new)
        (folder / "nginx.conf").write_text(text)
        command = [str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
        process = subprocess.Popen([*command, "-e", str(folder / "error.log")])
        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline, (folder / "error.log").read_text()
                    time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(server: LiveServer) -> None:
    socket.create_connection(("127.0.0.1", server.port), timeout=5).close()


def exchange(port: int, *packets: bytes) -> bytes:
    """Bytes until the connection ends, or is silent for half a second after an answer (for 3 s before one)."""
    with socket.create_connection(("127.0.0.1", port), timeout=3) as raw:
        text = b""
        try:
            for packet in packets:
                raw.sendall(packet)
                time.sleep(0.1)
            while piece := raw.recv(65536):
                text += piece
                raw.settimeout(0.5)
        except OSError:
            pass
        return text


POISON = b"GET /graphql?query=%7Bheader(name:%22x-forwarded-for%22)%7D HTTP/1.1\r\nhost: x\r\nx-ignore: "
MUTATION = json.dumps({"query": 'mutation { rename(name: "smuggled") { name } }'}).encode()
HIDDEN = (
    b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(MUTATION)
    + MUTATION
)
UPGRADES = (b"junk", b"h2c", b"TLS/1.0", b"websocket, h2c", b"websocket")


@pytest.mark.parametrize("upgrade", UPGRADES)
@pytest.mark.parametrize("hidden", [POISON, HIDDEN], ids=["poison", "mutation"])
def test_what_hides_behind_an_upgrade_is_never_a_request(
    front: int, world: World, upgrade: bytes, hidden: bytes
) -> None:
    head = (
        b"GET /graphql?query=%7Bhello%7D HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: "
        + upgrade
        + b"\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (1000 + len(hidden))
    )
    before = world.renames
    for _ in range(3):
        exchange(front, head, b"\r\n" * 500, hidden)
        # The next client gets its own answer.
        answer = exchange(front, b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b'{"status":"ok"}')
    assert world.renames == before


def test_w11_only_nginx_says_who_calls(front: int) -> None:
    body = json.dumps({"query": '{ a: header(name: "x-forwarded-for") b: header(name: "forwarded") }'}).encode()
    head = (
        b"POST /graphql HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 1.1.1.1\r\nforwarded: for=1.1.1.1\r\n"
        b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    )
    answer = exchange(front, head + body)
    assert b"1.1.1.1" not in answer
    assert b'"a":"127.0.0.1"' in answer


def test_w26_headers_stand_once_and_floods_get_429(front: int) -> None:
    request = b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    answer = exchange(front, request).lower()
    for name in (b"x-content-type-options", b"referrer-policy", b"permissions-policy"):
        assert answer.count(name + b":") == 1, name
    flood = exchange(front, request.replace(b"connection: close\r\n", b"") * 400 + request)
    assert b"HTTP/1.1 429 " in flood
    assert b"HTTP/1.1 503 " not in flood
