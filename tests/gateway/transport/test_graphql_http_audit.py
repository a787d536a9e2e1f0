"""The 61 audits of the npm package graphql-http against a live server: all MUST and SHOULD, and every MAY."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.transport.graphiql.build import BuildError, find_node
from tests.gateway.transport.conftest import Setup

#: MAYs that we decline, each with its reason.
DECLINED: Mapping[str, str] = {}


@pytest.fixture(scope="module")
def audits(setup: Setup, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    try:
        node, npm = find_node()
    except BuildError as error:
        pytest.skip(f"the GraphQL-over-HTTP audits are skipped: {error}")
    folder = tmp_path_factory.mktemp("audit")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    (folder / "audit.mjs").write_text(Path(__file__).with_name("audit.mjs").read_text())
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"}
    install = [*npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "graphql-http@1.23.1", "graphql@16"]
    installed = subprocess.run(
        install, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    if installed.returncode:
        pytest.skip(
            f"the GraphQL-over-HTTP audits are skipped, npm can't install graphql-http: {installed.stderr[-200:]}"
        )
    done = subprocess.run(
        [node, "audit.mjs", f"{setup.server.url}/graphql"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    results: list[dict[str, Any]] = json.loads(done.stdout)
    return results


def test_all_audits_pass(audits: list[dict[str, Any]]) -> None:
    assert len(audits) == 61
    failed = [f"{a['status']} {a['id']} {a['name']}: {a['reason']}" for a in audits if a["status"] != "ok"]
    assert [line for line in failed if line.split()[1] not in DECLINED] == []
