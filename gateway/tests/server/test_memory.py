"""What lives long is set aside from the garbage collector; a replaced supergraph is freed nevertheless."""

import asyncio
import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator

import pytest

from botberi_gateway.engine import GraphQLRequest
from botberi_gateway.engine import gateway as gateway_module
from botberi_gateway.server.memory import THRESHOLDS, resettle, settle
from botberi_gateway.supergraph import Supergraph
from gateway.tests.support.toy_graph import SUPERGRAPH, clients, toy_gateway


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    gc.enable()


def test_start_up_is_set_aside() -> None:
    gc.disable()
    settle()
    assert gc.isenabled()
    assert gc.get_threshold() == THRESHOLDS
    assert gc.get_freeze_count() > 10_000


async def test_a_replaced_supergraph_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_module, "_IDLE_CHECK", 0.01)
    gateway = toy_gateway()
    await gateway.execute(GraphQLRequest("{ hello }"))
    old = weakref.ref(gateway.supergraph)
    settle()
    settled = asyncio.Event()
    gateway.on_replaced(resettle)
    gateway.on_replaced(settled.set)
    await gateway.replace(Supergraph.from_sdl(SUPERGRAPH), clients())
    await asyncio.wait_for(settled.wait(), 5)
    assert old() is None
    assert gc.get_freeze_count() > 10_000
    assert (await gateway.execute(GraphQLRequest("{ hello }"))).data == {"hello": "hello world"}
    await gateway.aclose()


def test_the_command_starts_without_the_collector() -> None:
    code = "import runpy, sys, gc; sys.argv = ['botberi-gateway', '--help']\ntry: runpy.run_module('botberi_gateway', run_name='__main__')\nexcept SystemExit: print('enabled' if gc.isenabled() else 'disabled')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.rstrip().endswith("disabled")
