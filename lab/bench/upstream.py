"""CPU of one small call to a subgraph: our client against aiohttp, interleaved -> a table of microseconds and ratios.

`lab bench client [--json]`. Both parse the answer; ours checks it as well, and looks at every number's digits. The
server is a process of its own and answers with bytes written beforehand.
"""

import asyncio
import json
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Annotated, Any, Final

import aiohttp
import orjson
import typer
import uvloop

from botberi_gateway.upstream import HttpClient

SIZES: Final = {"0.2 kB": 1, "14 kB": 100, "65 kB": 460}
_AT_ONCE: Final = 20
_CALLS: Final = 2_000


def canned(items: int) -> bytes:
    """An HTTP answer with so many products, about 140 bytes each."""
    products = [{"upc": str(n), "name": "A name " * 12, "price": n * 10, "inStock": True} for n in range(items)]
    body = orjson.dumps({"data": {"products": products}})
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def serve(pipe: "Connection[int, Any]") -> None:
    """A server for each size; sends their ports."""

    def protocol(answer: bytes) -> type[asyncio.Protocol]:
        class Canned(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self._transport: Any = transport

            def data_received(self, data: bytes) -> None:
                self._transport.write(answer)

        return Canned

    async def run() -> None:
        loop = asyncio.get_running_loop()
        for items in SIZES.values():
            server = await loop.create_server(protocol(canned(items)), "127.0.0.1", 0)
            pipe.send(server.sockets[0].getsockname()[1])
        await asyncio.Event().wait()

    uvloop.run(run())


async def measure(call: Callable[[], Awaitable[Any]], calls: int = _CALLS) -> float:
    """CPU microseconds of this process for each call."""

    async def caller() -> None:
        for _ in range(calls // _AT_ONCE):
            await call()

    started = time.process_time()
    await asyncio.gather(*(caller() for _ in range(_AT_ONCE)))
    return (time.process_time() - started) / calls * 1e6


async def compare(port: int, rounds: int) -> dict[str, float]:
    """Client -> the median of interleaved rounds."""
    url = f"http://127.0.0.1:{port}/graphql"
    body = b'{"query":"query Q($upc: ID!) { product(upc: $upc) { upc name price inStock } }","variables":{"upc":"1"}}'
    ours = HttpClient("bench", url)
    headers = {"content-type": "application/json", "accept": "application/json"}
    found: dict[str, list[float]] = {"botberi": [], "aiohttp": []}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100)) as session:

        async def by_aiohttp() -> Any:
            async with session.post(url, data=body, headers=headers) as response:
                return orjson.loads(await response.read())

        ways = {"botberi": lambda: ours.start(body, "query", {}, 10.0), "aiohttp": by_aiohttp}
        for way in ways.values():
            await measure(way, 200)
        for _ in range(rounds):
            for name, way in ways.items():
                found[name].append(await measure(way))
    await ours.aclose()
    return {name: statistics.median(values) for name, values in found.items()}


def client(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds; the median of each counts.")] = 7,
) -> None:
    """CPU of one small call to a subgraph: our HTTP client beside aiohttp."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    try:
        ports = {size: ours.recv() for size in SIZES}
        results = {size: uvloop.run(compare(port, rounds)) for size, port in ports.items()}
    finally:
        server.terminate()
        server.join()
    if as_json:
        print(json.dumps(results))
        return
    print("| answer | ours, us CPU | aiohttp, us CPU | ratio |\n|---|---|---|---|")
    for size, row in results.items():
        print(f"| {size} | {row['botberi']:.1f} | {row['aiohttp']:.1f} | {row['aiohttp'] / row['botberi']:.1f} |")
