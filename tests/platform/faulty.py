"""A subgraph's address at which things go wrong on demand."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web


async def _hang(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(120)
    return web.Response()


async def _error(_: web.Request) -> web.StreamResponse:
    return web.Response(status=500, text="Internal: secret stack at /srv/app.py line 7")


async def _garbage(_: web.Request) -> web.StreamResponse:
    return web.Response(body=b"\x00\xff<html>", content_type="text/html")


async def _truncated(_: web.Request) -> web.StreamResponse:
    return web.Response(body=b'{"data": {"me": {"insta', content_type="application/json")


async def _no_graphql(_: web.Request) -> web.StreamResponse:
    return web.json_response([1, 2, 3])


async def _short_list(_: web.Request) -> web.StreamResponse:
    return web.json_response({"data": {"_entities": []}})


async def _redirect(_: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"location": "http://127.0.0.1:1/"})


async def _dropped(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]
FAULTS: dict[str, Fault] = {
    "hangs": _hang,
    "answers 500": _error,
    "answers garbage": _garbage,
    "answers half": _truncated,
    "answers no GraphQL": _no_graphql,
    "answers too few entities": _short_list,
    "redirects": _redirect,
    "drops the connection": _dropped,
}


@dataclass
class FaultyService:
    """Goes wrong in the way that `fault` names."""

    fault: str = "answers 500"
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        return await FAULTS[self.fault](request)

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        ready.set()
        await stop.wait()
        await runner.cleanup()
        # A handler whose client has gone may still sleep.
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


@contextmanager
def faulty_service() -> Iterator[FaultyService]:
    """The service, in a thread of its own."""
    service, ready = FaultyService(), threading.Event()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(service.serve(ready, stop)), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield service
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
