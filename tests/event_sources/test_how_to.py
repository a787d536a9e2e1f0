"""The how-to "a live subscription over RabbitMQ", followed from its text but for ports and the address of RabbitMQ."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.tests.server.test_readme import free_port, healthy, running
from gateway.tests.support.pages import blocks

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "live-subscription-over-rabbitmq.md"


def post(url: str, body: bytes = b"", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return urllib.request.urlopen(urllib.request.Request(url, body, named, method="POST"), timeout=30)


@contextmanager
def started(command: list[str], folder: Path, port: int) -> Iterator[None]:
    """A server until it is answered; unlike the gateway, uvicorn ends by the signal."""
    process = subprocess.Popen(command, cwd=folder)
    try:
        end = time.monotonic() + 30
        while not healthy(port):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.rabbitmq
def test_the_how_to(tmp_path: Path, own_amqp_url: str) -> None:
    subgraph, gateway = free_port(), free_port()
    places = {"4001": str(subgraph), "8080": str(gateway), "amqp://guest:guest@127.0.0.1/": own_amqp_url}

    def written(name: str, language: str) -> None:
        (text,) = [block.text for block in blocks(PAGE, language)]
        for place, own in places.items():
            text = text.replace(place, own)
        (tmp_path / name).write_text(text)

    written("orders.graphql", "graphql")
    written("orders.py", "python")
    written("gateway.yaml", "yaml")
    orders = tmp_path / "orders.py"
    orders.write_text(
        orders.read_text().replace("routes = [", 'routes = [Route("/health", lambda _: JSONResponse({})),', 1)
    )
    program = str(Path(sys.executable).parent)
    with ExitStack() as stack:
        command = [f"{program}/uvicorn", "orders:app", "--port", str(subgraph)]
        stack.enter_context(started(command, tmp_path, subgraph))
        url = stack.enter_context(
            running([f"{program}/botberi-gateway", "serve", "--config", "gateway.yaml"], tmp_path, gateway)
        )
        query = {"query": 'subscription { orderChanged(id: "1") { id status version } }'}
        stream = stack.enter_context(
            post(url, json.dumps(query).encode(), accept="text/event-stream", content_type="application/json")
        )

        def order() -> Any:
            while not (line := stream.readline()).startswith(b"data: {"):
                assert line, "the stream has ended"
            return json.loads(line[6:])["data"]["orderChanged"]

        assert order() == {"id": "1", "status": "new", "version": 1}
        for status in ("packed", "delivered"):
            post(f"http://127.0.0.1:{subgraph}/orders/1/{status}").close()
            assert order()["status"] == status
        assert b"event: complete" in stream.read()
