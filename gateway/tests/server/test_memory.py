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
from botberi_gateway.server import memory
from botberi_gateway.server.memory import THRESHOLDS, resettle, settle
from botberi_gateway.supergraph import Supergraph
from gateway.tests.support.toy_graph import SUPERGRAPH, clients, toy_gateway


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    thresholds, callbacks = gc.get_threshold(), [*gc.callbacks]
    yield
    gc.callbacks[:] = callbacks
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    gc.enable()


def test_start_up_is_set_aside() -> None:
    gc.disable()
    settle()
    assert gc.isenabled()
    assert gc.get_threshold() == THRESHOLDS
    assert gc.get_freeze_count() > 10_000


class Node:
    """What can be in a cycle."""

    def __init__(self) -> None:
        self.other: object = None


def cycle() -> weakref.ref[Node]:
    node = Node()
    node.other = node
    return weakref.ref(node)


def test_a_full_collection_looks_only_at_what_came_since_the_last_one() -> None:
    settle()
    kept = [Node() for _ in range(60_000)]
    before = gc.get_freeze_count()
    gc.collect()
    assert gc.get_freeze_count() >= before + len(kept)
    assert len(gc.get_objects()) < 5_000
    garbage = cycle()
    gc.collect()
    assert garbage() is None


def test_what_a_collection_leaves_of_requests_in_flight_is_not_set_aside() -> None:
    """Their cycles would outlive them, 16 objects for each request, until everything is collected."""
    settle()
    before = gc.get_freeze_count()
    for _ in range(5):
        in_flight = [cycle_of(Node()) for _ in range(4_000)]
        gc.collect()
        last = weakref.ref(in_flight[-1])
        del in_flight
        gc.collect()
        assert last() is None
    assert gc.get_freeze_count() == before


def cycle_of(node: Node) -> Node:
    node.other = node
    return node


def test_cycles_of_what_was_set_aside_are_freed_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_SET_ASIDE", 0)
    settle()
    node = Node()
    node.other = node
    kept = weakref.ref(node)
    gc.collect()
    del node
    gc.collect()
    assert kept() is not None
    monkeypatch.setattr(memory, "_WHOLE_INTERVAL_SECONDS", 0.0)
    gc.collect()
    assert kept() is not None, "nothing has grown: nothing more is looked at"
    monkeypatch.setattr(memory, "_WHOLE_GROWTH", 0.0)
    gc.collect()  # decides that the next one looks at everything
    gc.collect()
    assert kept() is None
    assert gc.get_freeze_count() > 10_000


async def test_a_replaced_supergraph_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_module, "_IDLE_CHECK_SECONDS", 0.01)
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
