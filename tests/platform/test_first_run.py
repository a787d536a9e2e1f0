"""The README and `docs/how-to/first-run.md` as a newcomer follows them: their blocks, run on a fresh platform."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from graphql import OperationType

from gateway.tests.support.pages import Block, blocks, success_keys
from tests.platform.clients import Client, Socket
from tests.platform.running import ROOT, RunningPlatform

README = ROOT / "README.md"
FIRST_RUN = ROOT / "docs" / "how-to" / "first-run.md"


@pytest.fixture(scope="module")
def fresh() -> Iterator[RunningPlatform]:
    """A platform without use so far; `./start` itself is what test_cold_clone.py types."""
    with RunningPlatform(environment={"BOTBERI_REGISTRATION_CONFIRMED": "true"}) as platform:
        yield platform


@pytest.fixture
async def browser(fresh: RunningPlatform) -> AsyncIterator[Client]:
    """What GraphiQL is: a page of the gateway's own origin, signed in by its cookie and nothing else."""
    async with Client(fresh.url) as client:
        client.session.headers["origin"] = fresh.base
        yield client


def test_the_readme_begins_with_two_commands_that_exist() -> None:
    commands = [line.split()[0] for line in blocks(README, "sh")[0].text.splitlines()]
    assert commands == ["./start", "./test"]
    for command in commands:
        assert (ROOT / command).stat().st_mode & 0o111


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README's request is sent by curl, which is not installed")
def test_the_readmes_request_has_the_readmes_answer(fresh: RunningPlatform) -> None:
    """As written, but for the port: another platform may have 8080."""
    command, expected = blocks(README, "sh")[1].text, blocks(README, "json")[0].text
    assert command.count("localhost:8080/") == 1
    command = command.replace("localhost:8080/", f"localhost:{fresh.port}/")
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30, check=True)
    assert json.loads(done.stdout) == json.loads(expected)
    assert done.stdout.strip() == expected.strip(), "its spaces and the order of its keys are the README's too"


async def test_every_block_of_the_first_run_as_pasted(fresh: RunningPlatform, browser: Client) -> None:
    pasted = blocks(FIRST_RUN, "graphql")
    assert len(pasted) >= 8
    assert [block.text for block in pasted if "…" in block.text or "..." in block.text.replace("... on", "")] == []
    answers: dict[str, Any] = {}
    async with AsyncExitStack() as stack:
        second_tab: tuple[Socket, Block] | None = None
        for block in pasted:
            if block.kind is OperationType.SUBSCRIPTION:
                socket = await stack.enter_async_context(browser.socket())
                await socket.begin(block.text)
                second_tab = socket, block
                # As long as a hand needs at the least to come back to the first tab.
                await asyncio.sleep(0.5)
                continue
            text = block.text
            if "TOKEN" in text:
                link = await asyncio.to_thread(fresh.output.wait_for, r"/account/verify#token=(\S+)", 30)
                text = text.replace("TOKEN", link[1])
            data = await browser.ask(text)
            check(block, data)
            answers |= data
            if "createInstance" in data:
                assert second_tab is not None, "the page follows instances before it makes one"
                events = await followed(*second_tab)
                assert events[-1]["status"] == "SUCCEEDED", events[-1]
                assert {event["agent"]["name"] for event in events} == {"Text insights"}
                assert {event["owner"]["displayName"] for event in events} == {"Newcomer"}

    # `answers` has the newest of a name: what the queries after the run say of it.
    (instance,) = answers["instances"]["nodes"]
    assert instance["id"] == answers["createInstance"]["instance"]["id"]
    assert (instance["name"], instance["status"]) == ("What they say", "SUCCEEDED")
    assert [text["label"] for text in instance["result"]["texts"]] == ["positive", "negative"]
    lines = instance["logs"]["nodes"]
    assert [line["sequence"] for line in lines] == list(range(1, len(lines) + 1))
    assert answers["me"]["displayName"] == "Newcomer"
    assert [node["id"] for node in answers["me"]["instances"]["nodes"]] == [instance["id"]]

    async with Client(fresh.url, answers["createApiKey"]["secret"]) as program:
        seen = (await program.ask("{ instances(first: 1) { nodes { id } } }"))["instances"]["nodes"]
    assert seen == [{"id": instance["id"]}]


def rows(count: int, size: int) -> dict[str, Any]:
    """A table whose rows are `size` bytes of JSON each, the comma included."""
    empty = len('{"n":100000,"text":""},')
    return {"rows": [{"n": 100_000 + number, "text": "x" * (size - empty)} for number in range(count)]}


@pytest.mark.parametrize(
    ("stated", "fits", "parameters"),
    [
        ("1,000,000 bytes of JSON", True, rows(5_000, 199)),
        ("1,000,000 bytes of JSON", False, rows(5_000, 201)),
        ("5,000 rows", True, rows(5_000, 40)),
        ("5,000 rows", False, rows(5_001, 40)),
        ("240,000 characters", True, {"csv": "a,b\n" + "1,2\n" * 4_000 + "3," + "4" * (240_000 - 16_006)}),
        ("240,000 characters", False, {"csv": "a,b\n" + "1,2\n" * 4_000 + "3," + "4" * (240_001 - 16_006)}),
    ],
)
async def test_the_limits_that_the_page_states_are_the_real_ones(
    browser: Client, fresh: RunningPlatform, stated: str, fits: bool, parameters: dict[str, Any]
) -> None:
    assert stated in " ".join(FIRST_RUN.read_text().split())
    browser.token = await browser.sign_in(*fresh.password("user"))
    given = {"agentSlug": "table-clusters", "parameters": parameters}
    answer = await browser.mutate("createInstance", "... on CreateInstanceSuccess { instance { id } }", input=given)
    if fits:
        assert answer["__typename"] == "CreateInstanceSuccess", answer
        await browser.mutate("cancelInstance", "", id=answer["instance"]["id"])
    else:
        assert answer["__typename"] == "ValidationError", answer


def check(block: Block, data: dict[str, Any]) -> None:
    """Mutations have their success type, queries have something in every list and object that they select."""
    for field in block.fields:
        payload = data[field.name.value]
        if block.kind is OperationType.MUTATION:
            assert payload.keys() == success_keys(field), (block.text, payload)
        else:
            assert_filled(payload, block.text)


def assert_filled(value: Any, text: str) -> None:
    """Neither null nor empty where the page promises objects: connections' `nodes`, and what leads to them."""
    assert value is not None, text
    if isinstance(value, dict) and "nodes" in value:
        assert value["nodes"], (text, value)
        for node in value["nodes"]:
            assert_filled(node, text)
    elif isinstance(value, dict):
        for inner in value.values():
            if isinstance(inner, dict) and "nodes" in inner:
                assert_filled(inner, text)


async def followed(socket: Socket, block: Block) -> list[dict[str, Any]]:
    """The second tab's events until one has an ending."""
    (field,) = block.fields
    events: list[dict[str, Any]] = []
    while not events or events[-1]["status"] not in ("SUCCEEDED", "FAILED", "TIMED_OUT", "CANCELLED"):
        message = await socket.receive(60)
        assert message["type"] == "next", message
        assert not message["payload"].get("errors"), message
        events.append(message["payload"]["data"][field.name.value])
    return events
