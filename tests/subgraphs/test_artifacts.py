"""Files of runs over HTTP: listed for whom they are, read at an address that ends."""

import asyncio
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from starlette.applications import Starlette

from botberi.wiring.downloads import routes
from gateway.tests.support.live_server import live
from shared_schema.artifacts import make_storage
from shared_schema.ids import new_id, to_global_id
from subgraphs.instance.app import create_app
from subgraphs.instance.settings import InstanceSettings
from tests.subgraphs.conftest import Client
from tests.subgraphs.test_instance import made
from tests.support.assertions import Signer

FILES = "query ($id: ID!) { instance(id: $id) { artifacts { name contentType sizeBytes sha256 downloadUrl } } }"


@pytest.fixture
def settings(shared_database_url: str, tmp_path: Path) -> InstanceSettings:
    return InstanceSettings(shared_database_url=shared_database_url, state_dir=tmp_path, public_url="https://here/")


@pytest.fixture
async def instance(settings: InstanceSettings, signer: Signer) -> AsyncIterator[Client]:
    async with Client(create_app(settings, jwks=signer.jwks()), "instance", signer) as client:
        yield client


@pytest.fixture
def gateway(settings: InstanceSettings) -> Iterator[str]:
    """The gateway's part in it, on a socket: the route."""
    with live(lambda: Starlette(routes=routes(make_storage(settings)))) as server:
        yield server.url.removesuffix("/graphql").rstrip("/")


async def with_file(client: Client, settings: InstanceSettings, owner: UUID, tmp_path: Path, *, ended: bool) -> UUID:
    instance_id = await made(client, owner)
    key = f"instances/{instance_id}/1/x/result.html"
    (tmp_path / "source").write_text("<script>1</script>")
    make_storage(settings).put(key, tmp_path / "source", "text/html", "result.html")
    steps = [
        "UPDATE instances SET status = 'RUNNING', attempt = 1 WHERE id = :id",
        "INSERT INTO instance_artifacts (id, instance_id, attempt, name, content_type, size_bytes, sha256, storage_key)"
        " VALUES (gen_random_uuid(), :id, 1, 'result.html', 'text/html', 18, sha256('x'), :key)",
    ]
    if ended:
        steps += [
            "UPDATE instances SET status = 'SUCCEEDED' WHERE id = :id",
            "UPDATE instance_artifacts SET promoted_at = now() WHERE instance_id = :id",
        ]
    async with client.store.unit_of_work() as session:
        for step in steps:
            values = {"id": instance_id, "key": key}
            await session.execute(text(step), {name: values[name] for name in values if f":{name}" in step})
    return instance_id


async def listed(client: Client, instance_id: UUID, **who: Any) -> Any:
    data = await client.ask(FILES, {"id": to_global_id("Instance", instance_id)}, **who)
    return data["instance"] and data["instance"]["artifacts"]


async def test_the_owner_reads_a_file_at_its_address(
    instance: Client, gateway: str, settings: InstanceSettings, tmp_path: Path
) -> None:
    owner = new_id()
    instance_id = await with_file(instance, settings, owner, tmp_path, ended=True)
    (file,) = await listed(instance, instance_id, account_id=owner)
    assert (file["name"], file["contentType"], file["sizeBytes"]) == ("result.html", "text/html", 18)
    address = urllib.parse.urlsplit(file["downloadUrl"])
    assert (address.scheme, address.netloc) == ("https", "here")
    status, headers, body = await asyncio.to_thread(get, gateway + address.path)
    assert (status, body) == (200, b"<script>1</script>")
    assert headers["content-disposition"] == 'attachment; filename="result.html"'
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert headers["cache-control"] == "private, no-store"
    status, _, body = await asyncio.to_thread(get, gateway + address.path[:-3] + "AAA")
    assert (status, json.loads(body)["error"]["code"]) == (404, "NOT_FOUND")


def get(address: str) -> tuple[int, Any, bytes]:
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


async def test_files_are_for_the_owner_and_admins_once_the_run_has_succeeded(
    instance: Client, settings: InstanceSettings, tmp_path: Path
) -> None:
    owner = new_id()
    running = await with_file(instance, settings, owner, tmp_path, ended=False)
    ended = await with_file(instance, settings, owner, tmp_path, ended=True)
    assert await listed(instance, running, account_id=owner) == []
    assert len(await listed(instance, ended, account_id=new_id(), role="admin")) == 1
    assert await listed(instance, ended, account_id=new_id()) is None
    assert await listed(instance, ended, account_id=owner, scopes=["account:read"]) is None
