"""A service's documents: what the reference says of a schema, that its examples work, and its REST endpoints."""

import importlib
import json
from typing import Any

import pytest
from graphql import build_ast_schema, parse, validate
from openapi_spec_validator import validate as validate_openapi
from starlette.applications import Starlette
from starlette.routing import Route

from botberi.parts.subgraphs import NAMES, sdl_file
from botberi_gateway import Subgraph, Supergraph, compose
from subgraphs.common.documents import Endpoint, read_reference
from subgraphs.common.documents.service import service_routes
from subgraphs.common.settings import SubgraphSettings
from tests.support.asgi import AsgiClient

SDL = '''
schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@requiresScopes"]) {
  query: Query
}

type Query {
  """The one with this ID."""
  parcel(id: ID!, size: Size! = SMALL, first: Int): Parcel
    @requiresScopes(scopes: [["mail:read", "mail:all"], ["root"]])
  old: String @deprecated(reason: "Ask for parcel.")
}

"""Something that is sent."""
type Parcel implements Sent @key(fields: "id") { id: ID! weight: Float! @authenticated sender: Person }
interface Sent { id: ID! }
union Anything = Parcel | Person
type Person { name: String! parcels(after: String!): [Parcel!]! }
enum Size { SMALL LARGE @deprecated(reason: "None fits.") }
input Address { street: String! = "Main Street" }
'''


def entry(name: str) -> Any:
    return next(each for each in read_reference(SDL).types if each.name == name)


def member(type_name: str, name: str) -> Any:
    return next(each for each in entry(type_name).members if each.name == name)


def test_roots_come_first_and_machinery_is_left_out() -> None:
    names = [each.name for each in read_reference(SDL).types]
    assert names == ["Query", "Address", "Anything", "Parcel", "Person", "Sent", "Size"]


def test_a_field_says_its_type_meaning_arguments_and_who_may_read_it() -> None:
    parcel = member("Query", "parcel")
    assert (parcel.type, parcel.description) == ("Parcel", "The one with this ID.")
    assert parcel.access == ("a credential with the scopes mail:read and mail:all or root",)
    assert [(p.name, p.type, p.default) for p in parcel.parameters] == [
        ("id", "ID!", None),
        ("size", "Size!", "SMALL"),
        ("first", "Int", None),
    ]
    assert member("Parcel", "weight").access == ("an account that has signed in",)
    assert member("Query", "old").deprecated == "Ask for parcel."


def test_a_type_says_its_keys_interfaces_members_values_and_fields() -> None:
    assert (entry("Parcel").keys, entry("Parcel").related) == (("id",), ("Sent",))
    assert entry("Anything").related == ("Parcel", "Person")
    assert [(v.name, v.deprecated) for v in entry("Size").values] == [("SMALL", None), ("LARGE", "None fits.")]
    assert [(p.name, p.default) for p in entry("Address").parameters] == [("street", '"Main Street"')]


def test_an_owner_is_named_for_types_and_fields() -> None:
    reference = read_reference(SDL, {"Parcel": ["mail"], "Parcel.weight": ["scales"]})
    parcel = next(each for each in reference.types if each.name == "Parcel")
    assert parcel.subgraphs == ("mail",)
    assert [m.subgraphs for m in parcel.members if m.name == "weight"] == [("scales",)]


def test_an_example_passes_what_is_needed_and_selects_what_can_be_read() -> None:
    example = member("Query", "parcel").example
    assert example.operation == (
        "query Parcel($id: ID!, $first: Int) {\n"
        "  parcel(id: $id, first: $first) {\n    id\n    weight\n    sender {\n      name\n    }\n  }\n}"
    )
    assert json.loads(example.variables) == {"id": "…", "first": 10}


def test_every_example_of_the_whole_graph_is_a_valid_operation() -> None:
    composition = compose([Subgraph(name, sdl_file(name).read_text()) for name in NAMES])
    assert composition.supergraph_sdl is not None
    schema = Supergraph.from_sdl(composition.supergraph_sdl).api_schema
    examples = [m.example for t in read_reference(schema).types for m in t.members if m.example is not None]
    assert len(examples) > 20
    for example in examples:
        assert validate(schema, parse(example.operation)) == [], example.operation


@pytest.mark.parametrize("name", NAMES)
def test_every_example_of_a_subgraph_is_a_valid_operation(name: str) -> None:
    sdl = sdl_file(name).read_text()
    schema = build_ast_schema(parse(sdl), assume_valid=True, assume_valid_sdl=True)
    for example in (m.example for t in read_reference(sdl).types for m in t.members if m.example is not None):
        assert validate(schema, parse(example.operation)) == [], example.operation


def served(*endpoints: Endpoint, sdl: str = SDL) -> AsgiClient:
    return AsgiClient(Starlette(routes=service_routes("catalog", sdl, endpoints)))


async def test_a_page_names_every_type_and_escapes_what_the_schema_says() -> None:
    client = served(sdl=SDL.replace("Something that is sent.", "<script>alert(1)</script>"))
    page = (await client.request("GET", "/docs/catalog")).body.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    for name in ("Query", "Parcel", "Person", "Size", "Address", "Anything"):
        assert f'id="{name}"' in page


async def test_a_client_that_has_a_page_is_answered_304() -> None:
    client = served()
    first = await client.request("GET", "/docs/catalog")
    again = await client.request("GET", "/docs/catalog", headers=[("if-none-match", first.header("etag") or "")])
    assert (first.status, again.status, again.body) == (200, 304, b"")


async def test_pages_take_scripts_from_our_own_server_alone() -> None:
    client = served()
    page = await client.request("GET", "/docs/catalog")
    script = await client.request("GET", "/docs/catalog/files/swagger-ui-bundle.js")
    assert "default-src 'none'; script-src 'self';" in (page.header("content-security-policy") or "")
    assert script.status == 200
    assert b"SwaggerUIBundle" in script.body


async def test_the_openapi_document_is_valid_and_has_an_endpoint_that_only_this_subgraph_has() -> None:
    own = Endpoint("POST", "/things/{id}", "Does it.", {204: ("Done.", None)}, {"id": "Which one."})
    document = (await served(own).request("GET", "/docs/catalog/openapi.json")).json()
    validate_openapi(document)
    assert document["paths"]["/things/{id}"]["post"]["responses"] == {"204": {"description": "Done."}}


@pytest.mark.parametrize("name", NAMES)
async def test_the_openapi_document_of_a_subgraph_has_each_of_its_routes(name: str) -> None:
    """All but the documents' own."""
    settings = getattr(importlib.import_module(f"subgraphs.{name}.settings"), f"{name.capitalize()}Settings")
    configured: SubgraphSettings = settings(
        user_database_url="postgresql://nowhere/users", shared_database_url="postgresql://nowhere/shared"
    )
    app: Starlette = importlib.import_module(f"subgraphs.{name}.app").create_app(configured, jwks=lambda: {"keys": []})
    routes = {
        (method, route.path)
        for route in app.routes
        if isinstance(route, Route) and not route.path.startswith("/docs")
        for method in (route.methods or set()) - {"HEAD"}
    }
    document = (await AsgiClient(app).request("GET", f"/docs/{name}/openapi.json")).json()
    described = {(m.upper(), path) for path, methods in document["paths"].items() for m in methods}
    validate_openapi(document)
    assert described == routes
