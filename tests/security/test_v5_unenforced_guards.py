"""V5: guards that compose and guard nothing. A graph with them isn't served, unless its owner names them."""

import gc
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from botberi_gateway.cli import app
from botberi_gateway.engine import Gateway, SubgraphSource, compose_sources
from botberi_gateway.errors import SupergraphError
from botberi_gateway.supergraph import Supergraph
from gateway.tests.support.local_gateway import ask, local_gateway

FEDERATION = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", %s])\n'
GUARDED = {
    "authenticated": FEDERATION % '"@authenticated"' + "type Query { secret: Int @authenticated }",
    "requiresScopes": FEDERATION % '"@requiresScopes"' + 'type Query { secret: Int @requiresScopes(scopes: [["a"]]) }',
    "policy": FEDERATION % '"@policy"' + 'type Query { secret: Int @policy(policies: [["a"]]) }',
    "renamed": FEDERATION % '{name: "@authenticated", as: "@login"}' + "type Query { secret: Int @login }",
    "not imported": FEDERATION % '"@shareable"' + "type Query { secret: Int @federation__authenticated }",
    "on a type": FEDERATION % '"@authenticated"'
    + "type Query { secret: Secret } type Secret @authenticated { a: Int }",
}
CUSTOM = """
extend schema
  @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@composeDirective"])
  @link(url: "https://acme.example/guard/v1.0", import: ["@guard"], for: SECURITY)
  @composeDirective(name: "@guard")
directive @guard on FIELD_DEFINITION
type Query { secret: Int @guard }
"""
HEAD = (
    'schema @link(url: "https://specs.apollo.dev/link/v1.0") '
    '@link(url: "https://specs.apollo.dev/join/v0.3", for: EXECUTION) %s { query: Query }\n'
)
JOINS = """
directive @join__graph(name: String!, url: String!) on ENUM_VALUE
directive @join__type(graph: join__Graph!) repeatable on OBJECT
enum join__Graph { A @join__graph(name: "a", url: "http://a.test/graphql") }
type Query @join__type(graph: A) { secret: Int }
"""
#: `@link`s of a supergraph -> what the refusal names.
LINKS = {
    '@link(url: "https://specs.apollo.dev/authenticated/v0.1", for: SECURITY)': "authenticated",
    # Known guards are guards whether or not the link says so, in whatever version.
    '@link(url: "https://specs.apollo.dev/policy/v0.1")': "policy",
    '@link(url: "https://specs.apollo.dev/requiresScopes/v7.0", for: EXECUTION)': "requiresScopes",
    '@link(url: "https://acme.example/guard/v1.0", for: SECURITY)': "guard",
    '@link(url: "https://acme.example/guard/v1.0", as: "mine", for: SECURITY)': "mine",
    '@link(url: "https://acme.example/run/v1.0", for: EXECUTION)': "run",
    '@link(url: "guard", for: SECURITY)': "guard",
    '@link(url: "https://specs.apollo.dev/inaccessible/v9.0", for: SECURITY)': "inaccessible",
    '@link(url: "https://specs.apollo.dev/join/v0.9", for: EXECUTION)': "join",
    '@link(url: "https://acme.example/guard/v1.0", for: "SECURITY")': "guard",
}


@pytest.fixture
def own_logging() -> Iterator[None]:
    """`serve` sets logging up for its process, which here is the tests'."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    gc.enable()


def source(sdl: str) -> dict[str, SubgraphSource]:
    return {"a": SubgraphSource(sdl, url="http://a.test/graphql")}


@pytest.mark.parametrize("guard", GUARDED)
def test_subgraphs_with_guards_are_not_served(guard: str) -> None:
    with pytest.raises(SupergraphError, match=r"does not enforce.*--allow-unenforced") as refused:
        Gateway.from_subgraphs(source(GUARDED[guard]))
    assert refused.value.code == "INVALID_SUPERGRAPH"
    assert "open to anybody" in refused.value.message


@pytest.mark.parametrize("guard", GUARDED)
def test_supergraphs_with_guards_are_not_served(guard: str) -> None:
    sdl = compose_sources(source(GUARDED[guard])).to_sdl()
    with pytest.raises(SupergraphError, match="does not enforce"):
        Gateway.from_supergraph(sdl)


def test_a_security_feature_of_ones_own_is_not_served() -> None:
    with pytest.raises(SupergraphError, match=r"@guard \(https://acme.example/guard/v1.0, for: SECURITY\)"):
        Gateway.from_subgraphs(source(CUSTOM))
    Gateway.from_subgraphs(source(CUSTOM), allow_unenforced=["guard"])


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("extended", [False, True])
def test_links_that_must_be_known_are_refused(link: str, extended: bool) -> None:
    sdl = HEAD % ("" if extended else link) + JOINS + (f"extend schema {link}" if extended else "")
    with pytest.raises(SupergraphError, match=f"--allow-unenforced {LINKS[link]} "):
        Gateway.from_supergraph(sdl)
    Gateway.from_supergraph(sdl, allow_unenforced=[LINKS[link]])


def test_a_guard_without_a_link_is_refused() -> None:
    sdl = HEAD % "" + "directive @authenticated on FIELD_DEFINITION\n" + JOINS.replace("Int }", "Int @authenticated }")
    with pytest.raises(SupergraphError, match="@authenticated"):
        Gateway.from_supergraph(sdl)


def test_features_that_are_known_or_have_no_purpose_are_served() -> None:
    known = " ".join(
        f'@link(url: "https://specs.apollo.dev/{url}"{purpose})'
        for url, purpose in (
            ("inaccessible/v0.2", ", for: SECURITY"),
            ("context/v0.1", ", for: SECURITY"),
            ("tag/v0.3", ""),
            ("cost/v0.1", ""),
            ("cacheTag/v0.1", ", for: EXECUTION"),
        )
    )
    own = '@link(url: "https://acme.example/notes/v1.0")'
    Gateway.from_supergraph(HEAD % f"{known} {own}" + JOINS)
    # A directive of one's own that is called like a guard, and says whose it is.
    own = '@link(url: "https://acme.example/d/v1.0", import: ["@policy"])'
    Gateway.from_supergraph(HEAD % own + "directive @policy on FIELD_DEFINITION" + JOINS)


async def test_a_replacement_with_guards_is_refused_and_the_present_graph_goes_on() -> None:
    gateway = local_gateway("type Query { open: Int }", {"open": 1})
    with pytest.raises(SupergraphError, match="does not enforce"):
        await gateway.replace(Supergraph.from_sdl(compose_sources(source(GUARDED["policy"])).to_sdl()), {})
    assert await ask(gateway, "{ open }") == {"data": {"open": 1}}


def test_what_is_allowed_by_name_is_said_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Gateway.from_subgraphs(source(GUARDED["policy"]), allow_unenforced=["policy"])
    assert "@policy (https://specs.apollo.dev/policy/v0.1, for: SECURITY) is served though" in caplog.text
    with pytest.raises(SupergraphError):  # one that is allowed lets no other in
        Gateway.from_subgraphs(source(GUARDED["policy"]), allow_unenforced=["authenticated"])


@pytest.mark.usefixtures("own_logging")
def test_serve_says_what_is_wrong_and_ends(tmp_path: Path) -> None:
    file = tmp_path / "supergraph.graphql"
    file.write_text(compose_sources(source(GUARDED["policy"])).to_sdl())
    result = CliRunner().invoke(app, ["serve", "--supergraph", str(file), "--port", "0"])
    assert result.exit_code == 1
    assert "@policy" in result.output
    assert "--allow-unenforced policy" in result.output
