"""Relay as it comes from npm: its compiler on the platform's schema, and a store that refetches by node id."""

import hashlib
import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from graphql import build_client_schema, get_introspection_query, print_schema

from botberi_gateway.transport.graphiql.build import BuildError, find_node
from lab.bench.peers import CACHE
from tests.platform.clients import Client
from tests.platform.running import RunningPlatform

APPLICATION = Path(__file__).with_name("relay")


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """The application's folder with its packages; skips in one clear line where there is no Node.js or no registry."""
    try:
        packages = installed()
    except BuildError as error:
        pytest.skip(f"the test with Relay is skipped: {error}")
    folder = tmp_path / "relay"
    shutil.copytree(APPLICATION, folder)
    (folder / "node_modules").symlink_to(packages / "node_modules")
    return folder


def installed() -> Path:
    """A folder with the packages of the lock, kept from one run of the tests to the next. Raises `BuildError`."""
    _, npm = find_node()
    lock = APPLICATION / "package-lock.json"
    target = CACHE / f"relay-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if not target.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        # Beside the target first: a rename is all or nothing, and of two runs at once the first one's counts.
        with tempfile.TemporaryDirectory(dir=CACHE) as making:
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(APPLICATION / name, making)
            done = run([*npm, "ci", "--ignore-scripts"], Path(making))
            if done.returncode:
                raise BuildError(f"npm can't install its packages: {done.stderr[-300:]}")
            Path(making, "packages").mkdir()
            Path(making, "node_modules").rename(Path(making, "packages", "node_modules"))
            with suppress(FileExistsError):
                Path(making, "packages").rename(target)
    return target


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A command with Node.js on its PATH."""
    node, _ = find_node()
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@asynccontextmanager
async def agent_of(admin: Client) -> AsyncIterator[str]:
    """The slug of an agent that no other test looks at, retired afterwards."""
    given = {
        "slug": f"relay-{secrets.token_hex(4)}",
        "name": "For Relay",
        "workflow": "text-insights",
        "summary": "As it was.",
        "parametersSchema": {"type": "object"},
    }
    made = await admin.mutate("createAgent", "... on CreateAgentSuccess { agent { id } }", input=given)
    await admin.mutate("publishAgent", "", id=made["agent"]["id"])
    yield given["slug"]
    retired = await admin.mutate("retireAgent", "", id=made["agent"]["id"])
    assert retired["__typename"] == "RetireAgentSuccess", retired


async def test_a_store_refetches_an_account_an_agent_and_an_instance(
    embedded: RunningPlatform, application: Path
) -> None:
    async with Client(embedded.url) as admin, Client(embedded.url) as user:
        person = {"email": f"{secrets.token_hex(6)}@example.com", "password": f"of relay {secrets.token_hex(6)}"}
        await user.mutate("register", "", input=person | {"displayName": "Relay's user"})
        user.token = await user.sign_in(**person)
        admin.token = await admin.sign_in(*embedded.password("admin"))
        schema = build_client_schema((await user.execute(get_introspection_query()))["data"])
        (application / "schema.graphql").write_text(print_schema(schema))
        (application / "generated").mkdir()
        compiled = run([str(application / "node_modules" / ".bin" / "relay-compiler")], application)
        assert compiled.returncode == 0, compiled.stdout + compiled.stderr

        async with agent_of(admin) as slug:
            given = {"url": embedded.url, "user": user.token, "admin": admin.token, "slug": slug}
            ran = run([str(find_node()[0]), "run.cjs", json.dumps(given)], application)
    assert ran.returncode == 0, ran.stderr
    check(json.loads(ran.stdout))


def check(got: dict[str, Any]) -> None:
    """What the store had when all was loaded, after others' changes, and after it was refetched."""
    before, after = got["before"], got["after"]
    assert before["account"]["apiKeys"]["nodes"] == []
    assert before["agent"]["summary"] == "As it was."
    assert (before["instance"]["status"], before["instance"]["result"]) == ("PENDING", None)
    assert got["unasked"] == before, "what others change is not in the store before it is refetched"

    assert [node["name"] for node in after["account"]["apiKeys"]["nodes"]] == ["of Relay"]
    assert after["agent"]["summary"] == "Changed meanwhile."
    assert after["instance"]["status"] == "SUCCEEDED"
    assert after["instance"]["result"]["texts"][0]["label"] == "positive"
    for name in ("account", "agent", "instance"):
        assert before[name]["id"] == after[name]["id"]
        assert got["notices"][name] > 1, "the store notified its subscribers"
    # Fields of other subgraphs than the one that has the object.
    assert after["agent"]["publisher"] == {"displayName": "Development admin"}
    assert after["instance"]["agent"] == {"name": "Text insights"}
    assert after["instance"]["owner"] == {"displayName": "Relay's user"}

    first = [edge["node"]["id"] for edge in after["account"]["instances"]["edges"]]
    both = [edge["node"]["id"] for edge in got["paged"]["instances"]["edges"]]
    assert len(first) == 1
    assert both == [*first, before["instance"]["id"]], "the connection's next page is added to it"
    refetches = [f"app{name}RefetchQuery" for name in ("Account", "Agent", "Instance")]
    assert [name for name in got["sent"] if "Refetch" in name] == [*refetches, "appAccountRefetchQuery"]
