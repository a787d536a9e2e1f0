"""Plug-ins: which hook is called when, over each transport, what they may change, and how they are loaded."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import pytest
from websockets.sync.client import connect

from botberi_gateway import errors
from botberi_gateway.config import BatchingConfig, GatewayConfig, PluginConfig, TransportConfig
from botberi_gateway.errors import GatewayError
from botberi_gateway.executor import ExecutorKind
from botberi_gateway.plan import Plan
from botberi_gateway.plugins import (
    IncomingRequest,
    OperationInfo,
    OutgoingResponse,
    Plugin,
    PluginError,
    SubgraphCall,
    check_plugins,
    load_plugins,
)
from botberi_gateway.server.app import create_app
from botberi_gateway.upstream.port import SubgraphResponse
from gateway.tests.support.callers import CallerHeader, Tokens
from gateway.tests.support.live_server import live
from gateway.tests.support.toy_graph import World, toy_gateway
from gateway.tests.transport.conftest import Setup


class Recorder(Plugin):
    """Notes every hook, and does what a test asks for."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.raises: Mapping[str, Exception] = {}
        self.acts: Mapping[str, Callable[..., Any]] = {}

    async def _called(self, name: str, *arguments: Any) -> Any:
        self.calls.append(name)
        if name in self.raises:
            raise self.raises[name]
        result = self.acts[name](*arguments) if name in self.acts else None
        return await result if asyncio.iscoroutine(result) else result

    async def start(self) -> None:
        self.calls.append("start")

    async def stop(self) -> None:
        self.calls.append("stop")

    async def on_request(self, request: IncomingRequest) -> None:
        await self._called("request", request)

    async def on_operation(self, operation: OperationInfo) -> None:
        await self._called("operation", operation)

    async def on_plan(self, document: str, plan: Plan) -> None:
        await self._called("plan", document, plan)

    async def on_subgraph_request(self, call: SubgraphCall) -> SubgraphResponse | None:
        result: SubgraphResponse | None = await self._called("subgraph request", call)
        return result

    async def on_subgraph_response(self, call: SubgraphCall, response: SubgraphResponse) -> SubgraphResponse | None:
        result: SubgraphResponse | None = await self._called("subgraph response", call, response)
        return result

    async def on_response(self, response: OutgoingResponse) -> None:
        await self._called("response", response)

    async def on_subscription_event(self, response: OutgoingResponse) -> None:
        await self._called("event", response)


CONFIG: Final = GatewayConfig(transport=TransportConfig(batching=BatchingConfig(enabled=True)))
ADA: Final = {"authorization": "Bearer ada"}


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def server(recorder: Recorder) -> Iterator[Setup]:
    world, tokens = World(), Tokens()

    def make() -> Any:
        gateway = toy_gateway(world)
        return create_app(gateway, CONFIG, authenticator=tokens, subgraph_headers=CallerHeader(), plugins=(recorder,))

    with live(make, CONFIG) as running:
        assert recorder.calls == ["start"]
        yield Setup(running, world, tokens)
    assert recorder.calls[-1] == "stop"


@pytest.fixture(autouse=True)
def forgetful(recorder: Recorder) -> None:
    recorder.raises, recorder.acts = {}, {}
    recorder.calls.clear() if len(recorder.calls) > 1 else None


def over_socket(setup: Setup, query: str, count: int = 1) -> list[Any]:
    with connect(setup.server.socket_url, subprotocols=["graphql-transport-ws"]) as socket:  # type: ignore[list-item]
        socket.send(json.dumps({"type": "connection_init", "payload": ADA}))
        socket.recv(5)
        socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
        return [json.loads(socket.recv(5))["payload"] for _ in range(count)]


def over_events(setup: Setup, query: str) -> list[Any]:
    answer = setup.query(query, {**ADA, "accept": "text/event-stream"})
    if answer.status != 200:
        return [answer.json]
    return [json.loads(line[6:]) for line in answer.body.decode().splitlines() if line.startswith("data: {")]


ONE: Final = ["request", "plan", "operation", "subgraph request", "subgraph response", "response"]
#: How a query is asked.
WAYS: Final[dict[str, Callable[[Setup, str], Any]]] = {
    "post": lambda setup, query: setup.query(query, ADA).json,
    "get": lambda setup, query: setup.request("GET", f"/graphql?query={query.replace(' ', '%20')}", headers=ADA).json,
    "events": lambda setup, query: over_events(setup, query)[0],
    "socket": lambda setup, query: over_socket(setup, query)[0],
    "batch": lambda setup, query: setup.request(body=[{"query": query}], headers=ADA).json[0],
}


@pytest.mark.parametrize("way", WAYS)
def test_the_hooks_of_a_query_in_their_order(server: Setup, recorder: Recorder, way: str) -> None:
    recorder.calls.clear()
    assert WAYS[way](server, "{hello}") == {"data": {"hello": "hello world"}}
    assert recorder.calls == ONE


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("hook", ["request", "operation", "plan", "response"])
def test_a_hook_that_refuses_ends_the_operation(server: Setup, recorder: Recorder, way: str, hook: str) -> None:
    for error, code in (
        (GatewayError("Not on Sundays.", code="CLOSED"), "CLOSED"),
        (RuntimeError("secret"), errors.INTERNAL_SERVER_ERROR),
    ):
        recorder.raises = {hook: error}
        answer = WAYS[way](server, "{hello}")
        # A socket's `error` message has the list of errors alone.
        (entry,) = answer if isinstance(answer, list) else answer["errors"]
        assert entry["extensions"]["code"] == code
        assert "secret" not in json.dumps(answer)
        assert isinstance(answer, list) or "data" not in answer


def test_a_hook_around_subgraph_requests_that_fails_is_an_error_at_its_fields(
    server: Setup, recorder: Recorder
) -> None:
    recorder.raises = {"subgraph response": GatewayError("No.", code="NO")}
    answer = server.query("{ hello }").json
    assert (answer["data"], answer["errors"][0]["path"]) == ({"hello": None}, ["hello"])


def test_subscriptions_have_hooks_for_each_event(server: Setup, recorder: Recorder) -> None:
    for ask in (
        lambda: over_socket(server, "subscription { count(to: 2) }", 2),
        lambda: over_events(server, "subscription { count(to: 2) }"),
    ):
        recorder.calls.clear()
        recorder.acts = {"event": lambda response: response.data.update(count=response.data["count"] * 10)}
        assert [result["data"] for result in ask()] == [{"count": 10}, {"count": 20}]
        assert recorder.calls == [
            "request",
            "plan",
            "operation",
            "subgraph request",
            *(["subgraph response", "event"] * 2),
        ]


def test_what_hooks_may_change(server: Setup, recorder: Recorder) -> None:
    def request(incoming: IncomingRequest) -> None:
        assert (incoming.subject, incoming.address) == ("ada", "127.0.0.1")
        assert incoming.headers["authorization"] == "Bearer ada"
        incoming.state["seen"] = True
        incoming.request = replace(incoming.request, query="query($n: String!) { hello(name: $n) }")

    def operation(info: OperationInfo) -> None:
        assert (info.kind, info.subject, info.state) == ("query", "ada", {"seen": True})
        assert info.document == "query($n: String!) { hello(name: $n) }"
        info.variables = {"n": "plug-in"}

    def subgraph_request(call: SubgraphCall) -> None:
        assert call.operation is not None
        assert call.operation.state == {"seen": True}
        assert call.body is not None
        call.headers["x-added"] = "by a plug-in"

    def response(outgoing: OutgoingResponse) -> None:
        assert outgoing.data is not None
        outgoing.data["hello"] += "!"
        outgoing.extensions["plugin"] = outgoing.operation.state["seen"]

    recorder.acts = {
        "request": request,
        "operation": operation,
        "subgraph request": subgraph_request,
        "response": response,
    }
    server.world.requests.clear()
    assert server.query("{ me { id } }", ADA).json == {
        "data": {"hello": "hello plug-in!"},
        "extensions": {"plugin": True},
    }
    assert server.world.requests[0][1].headers["x-added"] == "by a plug-in"


def test_a_hook_may_answer_for_a_subgraph_or_change_its_answer(server: Setup, recorder: Recorder) -> None:
    recorder.acts = {"subgraph request": lambda call: SubgraphResponse({"hello": "from the plug-in"})}
    server.world.requests.clear()
    assert server.query("{ hello }").json == {"data": {"hello": "from the plug-in"}}
    assert server.world.requests == []
    recorder.acts = {
        "subgraph response": lambda call, answer: SubgraphResponse({"hello": answer.data["hello"].upper()})
    }
    assert server.query("{ hello }").json == {"data": {"hello": "HELLO WORLD"}}


def test_deferred_fragments_come_in_one_piece_where_answers_are_changed(server: Setup, recorder: Recorder) -> None:
    accept = "multipart/mixed; deferSpec=20220824, application/json;q=0.5"
    answer = server.query("{ hello me { id ... @defer { name } } }", {"accept": accept})
    assert answer.json["data"] == {"hello": "hello world", "me": {"id": "1", "name": server.world.name}}
    assert recorder.calls.count("response") == 1


def test_a_hook_that_takes_too_long() -> None:
    plugin = Recorder()
    plugin.acts = {"request": lambda _: asyncio.sleep(30)}

    def make() -> Any:
        from botberi_gateway.plugins.hooks import Hook

        app = create_app(toy_gateway(), GatewayConfig(), plugins=(plugin,))
        app.state.graphql_route._app.core.hooks.on_request = (Hook(plugin, "on_request", 0.1),)
        return app

    with live(make) as running:
        began = time.monotonic()
        answer = Setup(running, World(), Tokens()).query("{ hello }")
        assert (answer.status, answer.code) == (500, errors.INTERNAL_SERVER_ERROR)
        assert time.monotonic() - began < 5


def test_without_plug_ins_nothing_stands_anywhere() -> None:
    gateway = toy_gateway(executor=ExecutorKind.COMPILED)
    app = create_app(gateway, GatewayConfig())
    assert gateway._hooks is None
    assert app.state.graphql_route._app.core.hooks is None
    assert [type(client).__name__ for client in gateway._current.callers.values()] == ["MeasuredClient"] * 2


def test_a_hook_that_is_not_overridden_is_not_called() -> None:
    class OnlyPlans(Plugin):
        async def on_plan(self, document: str, plan: Plan) -> None: ...

    gateway = toy_gateway()
    app = create_app(gateway, GatewayConfig(), plugins=(OnlyPlans(),))
    hooks = app.state.graphql_route._app.core.hooks
    assert (len(hooks.on_plan), hooks.on_request, hooks.on_response) == (1, (), ())
    assert [type(client).__name__ for client in gateway._current.callers.values()] == ["MeasuredClient"] * 2


class WithOptions(Plugin):
    """For the tests of loading."""

    def __init__(self, word: str, number: str = "1") -> None:
        self.word, self.number = word, int(number)


HERE: Final = __name__
NOT_A_PLUGIN: Final = 7


def test_a_plug_in_is_loaded_by_module_and_attribute_with_its_options() -> None:
    config = PluginConfig(f"{HERE}:WithOptions", {"word": "w", "number": "3"}, 2.0)
    ((plugin, same),) = load_plugins([config])
    assert isinstance(plugin, WithOptions)
    assert (plugin.word, plugin.number, same) == ("w", 3, config)


def test_a_plug_in_is_loaded_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    point = EntryPoint("words", f"{HERE}:WithOptions", "botberi_gateway.plugins")
    monkeypatch.setattr("botberi_gateway.plugins.loading.entry_points", lambda group: [point])
    ((plugin, _),) = load_plugins([PluginConfig("words", {"word": "w"})])
    assert isinstance(plugin, WithOptions)


#: A configuration -> what its error says.
WRONG: Final = [
    (PluginConfig("nothing.here:Plugin"), "can't be imported"),
    (PluginConfig(f"{HERE}:Missing"), "has no 'Missing'"),
    (PluginConfig(f"{HERE}:NOT_A_PLUGIN"), "neither a class nor a function"),
    (PluginConfig("unknown"), "No installed package"),
    (PluginConfig(f"{HERE}:WithOptions", {"other": "secret"}), "refuses its options: TypeError"),
    (PluginConfig(f"{HERE}:WithOptions", {"word": "w", "number": "x"}), "refuses its options: ValueError"),
    (PluginConfig(f"{HERE}:World"), "no botberi_gateway.plugins.Plugin"),
]


@pytest.mark.parametrize(("config", "text"), WRONG)
def test_a_plug_in_that_cannot_be_loaded_says_why(config: PluginConfig, text: str) -> None:
    with pytest.raises(PluginError, match=text):
        create_app(toy_gateway(), GatewayConfig(plugins=(config,)))


def test_names_are_checked_with_the_configuration() -> None:
    check_plugins([PluginConfig(f"{HERE}:WithOptions")])
    with pytest.raises(PluginError):
        check_plugins([PluginConfig("nothing.here:Plugin")])


def test_a_plug_in_that_does_not_start_ends_the_start() -> None:
    class Broken(Plugin):
        async def start(self) -> None:
            raise RuntimeError("no key")

    first = Recorder()

    async def begin(plugins: Sequence[Plugin]) -> None:
        app = create_app(toy_gateway(), GatewayConfig(), plugins=plugins)
        async with app.router.lifespan_context(app):
            raise AssertionError("it started")

    with pytest.raises(RuntimeError, match="no key"):
        asyncio.run(begin((first, Broken())))
    assert first.calls[:2] == ["start", "stop"]
