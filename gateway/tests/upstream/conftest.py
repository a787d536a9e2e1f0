"""Tests that ask for `wire` run over plain sockets and TLS, each on asyncio's own event loop and on uvloop."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

from gateway.tests.upstream.wires import PLAIN, Wire, over_tls


@pytest.fixture(params=["plain", "tls"])
def wire(request: pytest.FixtureRequest) -> Wire:
    """Our own connections, or aiohttp over TLS."""
    return over_tls() if request.param == "tls" else PLAIN


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Function
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """See pytest-asyncio."""
    if {"wire", "both_loops"} & set(item.fixturenames):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture
def both_loops() -> None:
    """For tests of our own connections alone."""
