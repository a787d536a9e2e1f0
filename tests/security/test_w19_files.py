"""W19: files of runs end with their instance, and the state folder is for the platform's own user alone."""

import asyncio
import os
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from starlette.applications import Starlette

from botberi import credentials
from botberi.postgres import EmbeddedPostgres
from botberi.run import locks
from botberi.wiring import keys
from botberi.wiring.downloads import routes
from gateway.tests.support.live_server import live
from shared_schema.artifacts import ArtifactSettings, make_storage
from shared_schema.ids import new_id, to_global_id
from shared_schema.private import make_private_folder, open_private
from subgraphs.instance.app import create_app
from subgraphs.instance.settings import InstanceSettings
from tests.subgraphs.conftest import Client, signer  # noqa: F401 - a fixture
from tests.subgraphs.test_artifacts import get, listed, with_file
from tests.support.assertions import Signer

DELETE = "mutation ($id: ID!) { deleteInstance(id: $id) { __typename } }"


@pytest.fixture
def open_umask() -> Iterator[None]:
    """The widest mask that an administrator may have set: only modes that are asked for count."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def settings(shared_database_url: str, tmp_path: Path) -> InstanceSettings:
    return InstanceSettings(shared_database_url=shared_database_url, state_dir=tmp_path, public_url="https://here/")


@pytest.fixture
async def instance(settings: InstanceSettings, signer: Signer) -> AsyncIterator[Client]:  # noqa: F811
    async with Client(create_app(settings, jwks=signer.jwks()), "instance", signer) as client:
        yield client


@pytest.mark.postgres
async def test_an_address_stops_working_when_its_instance_is_deleted(
    instance: Client, settings: InstanceSettings, tmp_path: Path
) -> None:
    owner = new_id()
    kept, deleted = [await with_file(instance, settings, owner, tmp_path, ended=True) for _ in range(2)]
    addresses = [(await listed(instance, each, account_id=owner))[0]["downloadUrl"] for each in (kept, deleted)]
    with live(lambda: Starlette(routes=routes(make_storage(settings)))) as server:
        gateway = server.url.removesuffix("/graphql").rstrip("/")
        paths = [gateway + address.removeprefix("https://here") for address in addresses]
        assert [(await asyncio.to_thread(get, path))[0] for path in paths] == [200, 200]
        await instance.ask(DELETE, {"id": to_global_id("Instance", deleted)}, account_id=owner)
        assert [(await asyncio.to_thread(get, path))[0] for path in paths] == [200, 404]
    # The rows stay for the janitor, who looks at the storage once more.
    async with instance.store.read() as session:
        rows = "SELECT count(*) FROM instance_artifacts WHERE instance_id = :id"
        assert (await session.execute(text(rows), {"id": deleted})).scalar_one() == 1


@pytest.mark.usefixtures("open_umask")
def test_files_of_runs_and_their_folders_are_for_the_owner_alone(tmp_path: Path) -> None:
    storage = make_storage(ArtifactSettings(state_dir=tmp_path / "state"))
    source = tmp_path / "source"
    source.write_text("found")
    source.chmod(0o644)
    storage.put("instances/1/1/x/result.csv", source, "text/csv", "result.csv")
    storage.url("instances/1/1/x/result.csv", "text/csv", "result.csv", 60)
    modes = {path.relative_to(tmp_path): mode(path) for path in (tmp_path / "state").rglob("*")}
    assert len(modes) >= 7
    for path, found in modes.items():
        assert found == (0o700 if (tmp_path / path).is_dir() else 0o600), path


@pytest.mark.usefixtures("open_umask")
def test_keys_locks_and_passwords_are_for_the_owner_alone(tmp_path: Path) -> None:
    state = tmp_path / "new" / "state"
    make_private_folder(state)
    credentials.load_or_make(state)
    keys.load_folder(state / "keys")
    with locks.hold(state / "locks", ["gateway"], "here"):
        for path in (tmp_path / "new").rglob("*"):
            assert mode(path) == (0o700 if path.is_dir() else 0o600), path
    assert mode(tmp_path / "new") == 0o700


@pytest.mark.usefixtures("open_umask")
def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    file = tmp_path / "postgres.log"
    file.write_text("of before\n")
    file.chmod(0o644)
    with open_private(file, append=True) as opened:
        opened.write(b"now\n")
    assert (mode(file), file.read_text()) == (0o600, "of before\nnow\n")


@pytest.mark.postgres
def test_the_log_of_postgres_is_closed_and_quotes_no_row() -> None:
    with tempfile.TemporaryDirectory(prefix="botberi-log-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "state", 0, durable=False) as server:
            with psycopg.connect(server.url("user_psql"), autocommit=True) as connection:
                connection.execute("CREATE TABLE kept (email text UNIQUE)")
                insert = "INSERT INTO kept VALUES (%s)"
                connection.execute(insert, ("ada@example.org",))
                with pytest.raises(psycopg.errors.UniqueViolation):
                    connection.execute(insert, ("ada@example.org",))
            said = server.log_file.read_text()
            assert mode(server.log_file) == 0o600
            assert "duplicate key" in said
            assert "ada@example.org" not in said
            assert mode(server.data_dir) == 0o700
            assert mode(server.state_dir / "postgres.lock") == 0o600
            assert not mode(server.state_dir) & 0o066
