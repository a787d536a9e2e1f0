"""Where the graph comes from: each kind of place, updates and refusals under way, starts while places are down."""

import asyncio
import json
import os
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from botberi_gateway.composition import Subgraph, compose
from botberi_gateway.config import (
    ContractConfig,
    EngineConfig,
    GatewayConfig,
    GraphConfig,
    SchemaConfig,
    SubgraphSourceConfig,
)
from botberi_gateway.schema_delivery import DeliveryError, SchemaDelivery
from botberi_gateway.schema_delivery.places import shown_url
from botberi_gateway.server import create_app
from botberi_gateway.upstream.mock import mock_client
from gateway.tests.server.test_readme import free_port
from gateway.tests.support.editable_subgraphs import ACCOUNTS, REVIEWS, Services, services
from gateway.tests.support.live_server import LiveServer, live

QUICK = {"watch_interval_seconds": 0.05, "poll_interval_seconds": 0.05, "max_backoff_seconds": 0.2}
REVIEWS_WITH_STARS = REVIEWS.replace("body: String!", "body: String! stars: Int!")
#: `User.name` is of another type than in accounts.
REVIEWS_THAT_CLASH = REVIEWS.replace("reviews:", "name: Int! @shareable reviews:").replace(
    '"@key"', '"@key", "@shareable"'
)
STARS = "{ me { reviews { stars } } }"


@pytest.fixture
def remote() -> Iterator[tuple[Services, LiveServer]]:
    with services() as pair:
        yield pair


def supergraph(server: LiveServer, reviews: str = REVIEWS) -> str:
    sdls = {"accounts": ACCOUNTS, "reviews": reviews}
    composition = compose([Subgraph(name, sdl, f"{server.url}/{name}") for name, sdl in sdls.items()])
    assert composition.supergraph_sdl is not None, composition.errors
    return composition.supergraph_sdl


@contextmanager
def gateway(graph: GraphConfig, engine: EngineConfig | None = None) -> Iterator[LiveServer]:
    config = GatewayConfig(graph=graph, engine=engine or EngineConfig())
    delivery = SchemaDelivery(graph, config.engine)
    begun = asyncio.run(delivery.begin())
    with live(lambda: create_app(begun, config, delivery=delivery)) as server:
        server.app.state.delivery = delivery
        yield server


def get(server: LiveServer, path: str) -> Any:
    with urllib.request.urlopen(server.url + path, timeout=10) as answer:
        text = answer.read().decode()
        return json.loads(text) if "json" in answer.headers["content-type"] else text


def ask(server: LiveServer, query: str) -> Any:
    head = {"content-type": "application/json"}
    request = urllib.request.Request(f"{server.url}/graphql", json.dumps({"query": query}).encode(), head)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def knows_stars(server: LiveServer) -> bool:
    return "errors" not in ask(server, STARS)


def test_a_file_is_watched_and_what_does_not_compose_is_refused(
    remote: tuple[Services, LiveServer], tmp_path: Path
) -> None:
    _, server = remote
    file = tmp_path / "reviews.graphql"
    file.write_text(REVIEWS)
    graph = GraphConfig(
        subgraphs={
            "accounts": SubgraphSourceConfig(url=f"{server.url}/accounts", schema=SchemaConfig(sdl=ACCOUNTS)),
            "reviews": SubgraphSourceConfig(url=f"{server.url}/reviews", schema=SchemaConfig(file=file)),
        },
        **QUICK,
    )
    with gateway(graph) as served:
        assert ask(served, "{ me { name reviews { body } } }")["data"]["me"]["name"]
        assert get(served, "/ready") == {"status": "ready"}
        file.write_text(REVIEWS_THAT_CLASH)
        until(lambda: "graph" in get(served, "/ready").get("warnings", {}))
        assert get(served, "/ready")["warnings"]["graph"] == "the newest graph is refused, the log says why"
        assert "User.name" in served.app.state.delivery.status.refused
        metrics = get(served, "/metrics")
        assert 'gateway_schema_updates_total{outcome="refused"} 1.0' in metrics
        assert "gateway_schema_refused 1.0" in metrics
        assert ask(served, "{ me { name reviews { body } } }")["data"]["me"]["name"]
        remote[0].sdls["reviews"] = REVIEWS_WITH_STARS
        file.write_text(REVIEWS_WITH_STARS)
        until(lambda: knows_stars(served))
        assert get(served, "/ready") == {"status": "ready"}
        assert 'gateway_schema_updates_total{outcome="applied"} 1.0' in get(served, "/metrics")
        file.unlink()
        until(lambda: "schema of reviews" in get(served, "/ready").get("warnings", {}))
        assert knows_stars(served)


def test_running_subgraphs_are_polled(remote: tuple[Services, LiveServer]) -> None:
    parts, server = remote
    graph = GraphConfig(
        subgraphs={name: SubgraphSourceConfig(url=f"{server.url}/{name}") for name in ("accounts", "reviews")}, **QUICK
    )
    with gateway(graph) as served:
        assert not knows_stars(served)
        parts.sdls["reviews"] = REVIEWS_WITH_STARS
        until(lambda: knows_stars(served))
        parts.down.add("reviews")
        until(lambda: "schema of reviews" in get(served, "/ready").get("warnings", {}))
        assert "gateway_schema_unavailable 1.0" in get(served, "/metrics")
        assert ask(served, "{ me { name } }")["data"]["me"]["name"]
        parts.down.clear()
        until(lambda: get(served, "/ready") == {"status": "ready"})


def test_a_url_is_asked_with_its_etag_and_header_and_less_often_after_failures(
    remote: tuple[Services, LiveServer],
) -> None:
    parts, server = remote
    parts.token = "Bearer good"
    parts.files["supergraph"] = supergraph(server)
    place = SchemaConfig(url=f"{server.url}/files/supergraph", headers={"authorization": "Bearer good"})
    with gateway(GraphConfig(supergraph=place, **QUICK)) as served:
        until(lambda: parts.answers["supergraph", 304] > 3)
        assert parts.answers["supergraph", 200] == 1
        parts.sdls["reviews"] = REVIEWS_WITH_STARS
        parts.files["supergraph"] = supergraph(server, REVIEWS_WITH_STARS)
        until(lambda: knows_stars(served))
        parts.down.add("supergraph")
        until(lambda: parts.answers["supergraph", 503] > 2)
        assert "answers with status 503" in served.app.state.delivery.status.unavailable["supergraph"]
        assert server.url not in str(get(served, "/ready")), "anybody may ask"
        # 0.2 s between two looks after some failures, in place of 0.05 s.
        before = parts.answers["supergraph", 503]
        time.sleep(0.8)
        assert parts.answers["supergraph", 503] - before <= 6
        assert knows_stars(served)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({"url": "{server}/files/supergraph"}, "answers with status 401"),
        ({"url": "{server}/files/moved"}, "answers with status 302"),
        ({"url": "http://127.0.0.1:1/x"}, "http://127.0.0.1:1/x can't be read"),
        ({"url": "s3://nowhere/x"}, "s3://nowhere/x"),
        ({"file": Path("missing.graphql")}, "missing.graphql can't be read: No such file"),
    ],
)
def test_a_start_without_a_place_says_which_and_why(
    remote: tuple[Services, LiveServer], monkeypatch: pytest.MonkeyPatch, place: dict[str, Any], said: str
) -> None:
    parts, server = remote
    parts.token = "Bearer good"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    for name, value in (("AWS_ALLOW_HTTP", "true"), ("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s")):
        monkeypatch.setenv(name, value)
    filled = {key: value.format(server=server.url) if isinstance(value, str) else value for key, value in place.items()}
    with pytest.raises(DeliveryError) as caught:
        asyncio.run(SchemaDelivery(GraphConfig(supergraph=SchemaConfig(**filled)), EngineConfig()).begin())
    assert said in str(caught.value)


def test_a_start_without_a_subgraph_names_it_its_url_and_the_cause() -> None:
    graph = GraphConfig(subgraphs={"a": SubgraphSourceConfig(url="http://127.0.0.1:1/graphql")})
    with pytest.raises(
        DeliveryError, match=r"subgraph 'a' at http://127.0.0.1:1/graphql gave no SDL: .*(refused|Connect call failed)"
    ):
        asyncio.run(SchemaDelivery(graph, EngineConfig()).begin())


def test_the_last_known_sdl_starts_a_gateway_whose_subgraph_is_down(
    remote: tuple[Services, LiveServer], tmp_path: Path
) -> None:
    parts, server = remote
    graph = GraphConfig(
        subgraphs={name: SubgraphSourceConfig(url=f"{server.url}/{name}") for name in ("accounts", "reviews")},
        state_folder=tmp_path / "state",
        **QUICK,
    )
    with gateway(graph):
        pass
    assert (tmp_path / "state" / "reviews.graphql").read_text() == REVIEWS
    parts.down.add("reviews")
    with gateway(graph) as served:
        assert ask(served, "{ me { name } }")["data"]["me"]["name"]
        assert set(get(served, "/ready")["warnings"]) == {"schema of reviews"}
        parts.down.clear()
        until(lambda: get(served, "/ready") == {"status": "ready"})
        assert ask(served, "{ me { reviews { body } } }")["data"]["me"]["reviews"]


async def test_a_start_can_wait(remote: tuple[Services, LiveServer]) -> None:
    parts, server = remote
    parts.down.add("reviews")
    names = ("accounts", "reviews")
    graph = GraphConfig(subgraphs={name: SubgraphSourceConfig(url=f"{server.url}/{name}") for name in names}, wait=True)
    beginning = asyncio.create_task(SchemaDelivery(graph, EngineConfig()).begin())
    await asyncio.sleep(0.3)
    assert not beginning.done()
    parts.down.clear()
    begun = await asyncio.wait_for(beginning, 20)
    assert set(begun.supergraph.graphs) == {"ACCOUNTS", "REVIEWS"}
    await begun.aclose()


class _App:
    """An ASGI app of a subgraph; a configuration names it as `module:attribute`."""

    def __init__(self, sdl: str) -> None:
        self._client = mock_client("app", sdl)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from botberi_gateway.upstream.port import SubgraphRequest

        body = json.loads((await receive())["body"])
        answer = await self._client.execute(SubgraphRequest(body["query"], body.get("variables") or {}))
        content = json.dumps(
            {"data": answer.data, "errors": list(answer.errors)} if answer.errors else {"data": answer.data}
        )
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": content.encode()})


accounts_app = _App(ACCOUNTS)


def test_an_app_in_this_process_is_asked_for_its_sdl(remote: tuple[Services, LiveServer]) -> None:
    graph = GraphConfig(
        subgraphs={
            "accounts": SubgraphSourceConfig(app=f"{__name__}:accounts_app"),
            "reviews": SubgraphSourceConfig(url=f"{remote[1].url}/reviews"),
        }
    )
    with gateway(graph) as served:
        assert ask(served, "{ me { name reviews { body } } }")["data"]["me"]["reviews"]


def test_clients_see_the_part_of_the_graph_that_tags_leave(remote: tuple[Services, LiveServer]) -> None:
    parts, server = remote
    parts.sdls["reviews"] = REVIEWS_WITH_STARS.replace("stars: Int!", 'stars: Int! @tag(name: "internal")').replace(
        '"@key"', '"@key", "@tag"'
    )
    graph = GraphConfig(
        subgraphs={name: SubgraphSourceConfig(url=f"{server.url}/{name}") for name in ("accounts", "reviews")},
        contract=ContractConfig(exclude_tags=("internal",)),
    )
    with gateway(graph) as served:
        assert not knows_stars(served)
        assert ask(served, "{ me { reviews { body } } }")["data"]["me"]["reviews"]


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder behind the bucket `graphs` of rclone's S3 server."""
    folder = tmp_path / "s3"
    (folder / "graphs").mkdir(parents=True)
    program, address = Path(sysconfig.get_path("scripts")) / "rclone", f"127.0.0.1:{free_port()}"
    command = [str(program), "serve", "s3", "--addr", address, "--auth-key", "key,secret-of-a-test", str(folder)]
    command += ["--dir-cache-time", "0s"]
    environ = {
        "AWS_ENDPOINT_URL": f"http://{address}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret-of-a-test",
        "AWS_REGION": "us-east-1",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ})
    try:

        def answers() -> bool:
            try:
                urllib.request.urlopen(f"http://{address}/", timeout=2)
            except urllib.error.HTTPError:
                return True
            except OSError:
                assert process.poll() is None
                return False
            return True

        until(answers, 60)
        yield folder / "graphs"
    finally:
        process.kill()
        process.wait()


def test_a_bucket_is_polled(remote: tuple[Services, LiveServer], bucket: Path) -> None:
    parts, server = remote
    (bucket / "supergraph.graphql").write_text(supergraph(server))
    graph = GraphConfig(supergraph=SchemaConfig(url="s3://graphs/supergraph.graphql"), **QUICK)
    with gateway(graph) as served:
        assert not knows_stars(served)
        parts.sdls["reviews"] = REVIEWS_WITH_STARS
        (bucket / "supergraph.graphql").write_text(supergraph(server, REVIEWS_WITH_STARS))
        until(lambda: knows_stars(served))


def test_a_log_has_no_token_of_a_url() -> None:
    assert shown_url("https://u:secret@a.example:8443/x?token=secret") == "https://a.example:8443/x?…"
    assert shown_url("http://a.example/x") == "http://a.example/x"


def _of_files(folder: Path, reviews: str) -> GraphConfig:
    subgraphs = {}
    for name, sdl in {"accounts": ACCOUNTS, "reviews": reviews}.items():
        (folder / f"{name}.graphql").write_text(sdl)
        source = SchemaConfig(file=folder / f"{name}.graphql")
        subgraphs[name] = SubgraphSourceConfig(url=f"http://127.0.0.1:1/{name}", schema=source)
    return GraphConfig(subgraphs=subgraphs)


async def test_a_refused_configuration_hides_no_refused_graph(tmp_path: Path) -> None:
    """The graph of before is still served in place of a newer one that does not compose."""
    graph = _of_files(tmp_path, REVIEWS)
    delivery = SchemaDelivery(graph, EngineConfig())
    gateway = await delivery.begin()
    (tmp_path / "reviews.graphql").write_text(REVIEWS_THAT_CLASH)
    delivery.look_now()
    running = asyncio.create_task(delivery.run(gateway))
    async with asyncio.timeout(20):
        while delivery.status.refused is None:  # noqa: ASYNC110 - a thread composes
            await asyncio.sleep(0.01)
    running.cancel()
    warnings = delivery.status.warnings()
    assert set(warnings) == {"graph"}
    problem = await delivery.change(gateway, replace(graph, warm_operations=1), EngineConfig())
    assert problem is not None
    assert "do not compose" in problem
    assert delivery.status.warnings() == warnings
    assert delivery.status.refusals == 1
    await gateway.aclose()


async def test_graphs_that_change_together_leave_the_interpreter_as_it_was(tmp_path: Path) -> None:
    usual = sys.getswitchinterval()
    pairs = []
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        graph = _of_files(tmp_path / name, REVIEWS)
        delivery = SchemaDelivery(graph, EngineConfig())
        pairs.append((delivery, await delivery.begin(), graph))
    changed = [replace(graph, warm_operations=n) for n, (_, _, graph) in enumerate(pairs, 1)]
    changes = [d.change(g, new, EngineConfig()) for (d, g, _), new in zip(pairs, changed, strict=True)]
    assert await asyncio.gather(*changes) == [None, None, None]
    assert sys.getswitchinterval() == usual
    for _, gateway, _ in pairs:
        await gateway.aclose()
