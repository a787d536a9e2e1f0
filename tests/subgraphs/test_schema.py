"""Each subgraph's printed SDL, against `schema.graphql` and against what the supergraph needs."""

import re
from pathlib import Path

import pytest
from graphql import GraphQLNonNull, GraphQLObjectType, build_schema, get_named_type, parse

import subgraphs
from subgraphs.catalog.schema import sdl as catalog_sdl
from subgraphs.identity.schema import sdl as identity_sdl
from subgraphs.instance.schema import sdl as instance_sdl
from tests.subgraphs.conftest import Client

SDLS = {"identity": identity_sdl, "catalog": catalog_sdl, "instance": instance_sdl}
CONTRACTS = Path(subgraphs.__file__).parents[1] / "docs/architecture/contracts.md"

FEDERATION = """
scalar FieldSet
scalar LinkImport
directive @key(fields: FieldSet!, resolvable: Boolean = true) repeatable on OBJECT | INTERFACE
directive @shareable repeatable on OBJECT | FIELD_DEFINITION
directive @link(url: String!, import: [LinkImport]) repeatable on SCHEMA
directive @composeDirective(name: String!) repeatable on SCHEMA
"""


@pytest.mark.parametrize("name", SDLS)
def test_schema_graphql_is_what_the_code_says(name: str) -> None:
    path = Path(subgraphs.__file__).parent / name / "schema.graphql"
    assert path.read_text() == SDLS[name](), f"run: python -m subgraphs.{name} print-schema --write"


@pytest.mark.parametrize("name", SDLS)
def test_the_sdl_is_a_valid_schema(name: str) -> None:
    build_schema(FEDERATION + SDLS[name]())


@pytest.mark.parametrize("name", SDLS)
def test_a_list_or_another_subgraphs_entity_that_cannot_be_had_costs_nothing_else(name: str) -> None:
    schema = build_schema(FEDERATION + SDLS[name]())
    pointed_at = set(re.findall(r"type (\w+) @key\(fields: \"id\", resolvable: false\)", SDLS[name]()))
    if name == "instance":
        pointed_at.add("Account")  # keyed here for its list of instances; identity says who it is
    for type_name, found in schema.type_map.items():
        if not isinstance(found, GraphQLObjectType) or type_name.startswith("__") or type_name.endswith("Success"):
            continue
        for field_name, field in found.fields.items():
            if isinstance(field.type, GraphQLNonNull):
                of = str(get_named_type(field.type))
                may_fail = type_name == "Query" or of.endswith("Connection") or of in pointed_at
                assert not may_fail, f"{type_name}.{field_name}"


def test_the_event_source_directive_is_the_contracts() -> None:
    text = CONTRACTS.read_text()
    specified = text[text.index("directive @eventSource") :].split("```")[0]
    definitions = parse(instance_sdl(), no_location=True).definitions
    (wanted,) = parse(specified, no_location=True).definitions
    (printed,) = [each for each in definitions if each.kind == "directive_definition"]
    assert printed.arguments == wanted.arguments
    assert printed.locations == wanted.locations
    sdl = instance_sdl()
    assert '@composeDirective(name: "@eventSource")' in sdl
    assert '@link(url: "https://specs.botberi.dev/events/v1.0", import: ["@eventSource"])' in sdl
    for field, directive in {
        "instanceUpdated": 'topics: ["instance.*"], where: ["id=$id"], version: "version", until: "isTerminal", '
        "snapshot: true",
        "instancesUpdated": 'topics: ["instance.*"], where: ["workspaceKey=@subject"], '
        'feed: "instanceChanges(first: 100, after: $after)"',
        "instanceLogs": 'topics: ["instance.log.*"], where: ["id=$id"], until: "instance.isTerminal", '
        'feed: "instance(id: $id) { logs(first: 100, after: $after) }"',
    }.items():
        assert directive in sdl[sdl.index(f"  {field}(") :].split("@eventSource(")[1].split("\n")[0]


async def test_the_service_field_answers_the_same_sdl(identity: Client, catalog: Client, instance: Client) -> None:
    for client in (identity, catalog, instance):
        assert await client.ask("{ _service { sdl } }") == {"_service": {"sdl": SDLS[client.name]()}}
