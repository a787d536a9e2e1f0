"""The audits of npm's graphql-http and the clients graphql-ws and graphql-sse against a live server."""

from collections.abc import Mapping

import pytest

from gateway.tests.transport.conftest import Node, Setup

#: MAYs that we decline, each with its reason.
DECLINED: Mapping[str, str] = {}


def test_all_audits_of_graphql_over_http_pass(setup: Setup, node: Node) -> None:
    audits = node.run("audit.mjs", f"{setup.server.url}/graphql")
    assert len(audits) == 61
    failed = [f"{a['status']} {a['id']} {a['name']}: {a['reason']}" for a in audits if a["status"] != "ok"]
    assert [line for line in failed if line.split()[1] not in DECLINED] == []


@pytest.mark.timeout(150)
def test_the_usual_clients_are_served(setup: Setup, node: Node) -> None:
    got = node.run("clients.mjs", f"{setup.server.url}/graphql")
    user = {"data": {"users": {"id": "1", "reviews": [{"body": "fine"}]}}}
    for name in ("sockets", "events"):
        assert got[name]["query"] == [{"data": {"hello": f"hello {name}", "whoami": "ada@accounts"}}]
        assert got[name]["mutation"] == [{"data": {"rename": {"name": "Ada"}}}]
        assert got[name]["subscription"] == [user, user]
        assert got[name]["together"] == [[{"data": {"count": n + 1}} for n in range(to)] for to in (3, 2, 1)]
        assert "nothing" in str(got[name]["invalid"])


@pytest.mark.timeout(150)
def test_apollo_client_and_urql_show_what_is_deferred_later(setup: Setup, node: Node) -> None:
    got = node.run("defer.mjs", f"{setup.server.url}/graphql")
    first = {"me": {"name": "Ada"}, "hello": "hello world"}
    whole = {"me": {"name": "Ada", "reviews": [{"body": "fine"}]}, "hello": "hello world"}
    assert [one["data"] for one in got["apollo"]] == [first, whole]
    assert not any(one.get("errors") for one in got["apollo"])
    assert [(one["data"], one["hasNext"]) for one in got["urql"]] == [(first, True), (whole, False)]
