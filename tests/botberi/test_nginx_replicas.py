"""nginx with our configuration, in front of a changing number of gateways: new replicas get requests within 10 s."""

import asyncio
import socket
import struct
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import aiohttp
import pytest
from aiohttp import web

from lab.checks import debian
from tests.platform.running import ROOT, free_ports

pytestmark = pytest.mark.skipif(debian.nginx() is None, reason="no nginx: install Debian's nginx")


class NameServer(asyncio.DatagramProtocol):
    """Answers questions for an IPv4 address (RFC 1035, section 4) with those it has, as Docker's server does."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        question = data[12 : data.index(b"\0", 12) + 5]
        records = b"".join(
            # The name of the question, type A, class IN, ten minutes: nginx goes by its own `valid=5s`.
            struct.pack(">HHHIH", 0xC00C, 1, 1, 600, 4) + socket.inet_aton(address)
            for address in self.addresses
        )
        head = data[:2] + struct.pack(">HHHHH", 0x8580, 1, len(self.addresses), 0, 0)
        self._transport.sendto(head + question + records, addr)


@asynccontextmanager
async def replica(address: str, port: int) -> AsyncIterator[None]:
    """A server that answers its own address."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=address)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, address, port).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def test_added_replicas_are_used_and_lost_ones_are_not(tmp_path: Path) -> None:
    outside, inside, dns = free_ports(3)
    names = NameServer()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: names, local_addr=("127.0.0.1", dns))
    text = (ROOT / "infra/nginx/nginx.conf").read_text()
    for here, there in (
        ("resolver 127.0.0.11", f"resolver 127.0.0.1:{dns}"),
        ("gateway:8080", f"gateway.internal:{inside}"),
        ("listen 80;", f"listen 127.0.0.1:{outside};"),
        ("/tmp/nginx.pid", f"{tmp_path}/nginx.pid"),
        ("worker_processes auto", "daemon off; worker_processes 1"),
    ):
        assert here in text
        text = text.replace(here, there)
    (tmp_path / "nginx.conf").write_text(text)
    names.addresses = ["127.0.0.1"]
    command = [
        str(debian.nginx()),
        "-c",
        str(tmp_path / "nginx.conf"),
        "-e",
        str(tmp_path / "error.log"),
        "-p",
        str(tmp_path),
    ]
    async with replica("127.0.0.1", inside), aiohttp.ClientSession() as session:
        nginx = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{outside}/graphql"

            async def answers(count: int = 8) -> set[str]:
                found = set()
                for _ in range(count):
                    async with session.post(url, json={"query": "{ __typename }"}) as answer:
                        assert answer.status == 200, (tmp_path / "error.log").read_text()
                        found.add(await answer.text())
                return found

            await _until_open(outside)
            assert await answers() == {"127.0.0.1"}
            async with replica("127.0.0.2", inside):
                names.addresses = ["127.0.0.1", "127.0.0.2"]
                began = time.monotonic()
                while await answers() != {"127.0.0.1", "127.0.0.2"}:
                    assert time.monotonic() - began < 10, "a replica that was added gets requests within ten seconds"
                    await asyncio.sleep(0.3)
            # Killed, and its name not forgotten yet: the other one answers for it.
            assert await answers() == {"127.0.0.1"}
        finally:
            nginx.terminate()
            await nginx.wait()
            transport.close()


async def _until_open(port: int) -> None:
    for _ in range(100):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
    raise AssertionError("nginx does not listen")
