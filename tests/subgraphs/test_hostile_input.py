"""Every text that a client may send, with what breaks careless code: typed answers, never an unexpected error."""

from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_leaf_type,
    is_union_type,
)

from shared_schema.ids import new_id, to_global_id
from tests.subgraphs.conftest import Client
from tests.subgraphs.test_schema import FEDERATION, SDLS

TEXTS = [
    "",
    "'; DROP TABLE accounts; -- \" ) OR 1=1 /* \\' % _ $1 :x",
    "\x00",
    "😀 ‮ \u0301 \r\nERROR forged line \x1b[31m",
    "%s %(x)s {0.__class__} ${jndi:ldap://x}",
    "x" * 20_000,
    "-" * 20,
    to_global_id("Agent", new_id()),
    to_global_id("Instance", new_id()),
]
NUMBERS = [0, -1, 1, 2**31 - 1, -(2**31)]
VALUES = [
    None,
    [],
    {},
    {"a": {"b": ["\x00"]}},
    2**80,
    1e308,
    "text",
    {"$ref": "file:///etc/passwd"},
    {"type": "object", "$id": ":::"},
]
# Of `agentId` and these, one may be given.
SURPLUS = ("templateId", "agentSlug", "templateSlug")
# What an answer may never hold.
LEAKS = ("Traceback", "SELECT ", "INSERT ", "asyncpg", "sqlalchemy", "site-packages", "postgresql://", "$argon2")


def sample(kind: GraphQLInputType) -> Any:
    """A plain value of an input type."""
    if isinstance(kind, GraphQLNonNull):
        return sample(kind.of_type)
    if isinstance(kind, GraphQLList):
        return [sample(kind.of_type)]
    if isinstance(kind, GraphQLInputObjectType):
        return {name: sample(field.type) for name, field in kind.fields.items() if name not in SURPLUS}
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    return {
        "String": "plain-text",
        "ID": to_global_id("Agent", new_id()),
        "Int": 1,
        "Boolean": True,
        "JSON": {},
        "DateTime": "2999-01-01T00:00:00Z",
    }[kind.name]


def variations(kind: GraphQLInputType) -> Iterator[Any]:
    """The plain value with one leaf after the other made hostile."""
    if isinstance(kind, GraphQLNonNull):
        yield from variations(kind.of_type)
    elif isinstance(kind, GraphQLList):
        yield from ([each] for each in variations(kind.of_type))
    elif isinstance(kind, GraphQLInputObjectType):
        plain = sample(kind)
        for name, field in kind.fields.items():
            yield from ({**plain, name: each} for each in variations(field.type))
    elif isinstance(kind, GraphQLScalarType):
        yield from {"Int": NUMBERS, "JSON": VALUES, "Boolean": [None, *NUMBERS, "true"]}.get(kind.name, TEXTS)


def operation(root: str, name: str, field: GraphQLField, schema: GraphQLSchema) -> str:
    """The field with all its arguments as variables."""
    named = get_named_type(field.type)
    if is_leaf_type(named):
        selection = ""
    elif is_union_type(named):
        selection = "{ __typename ... on Error { message } ... on ValidationError { fields { path message } } }"
    else:
        selection = "{ __typename }"
    declared = ", ".join(f"${arg}: {each.type}" for arg, each in field.args.items())
    given = ", ".join(f"{arg}: ${arg}" for arg in field.args)
    head = f"({declared})" if declared else ""
    call = f"({given})" if given else ""
    return f"{root} {head} {{ {name}{call} {selection} }}"


@pytest.mark.parametrize("name", SDLS)
async def test_hostile_values_get_ordinary_answers(
    name: str,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
    identity: Client,
    catalog: Client,
    instance: Client,
) -> None:
    client: Client = {"identity": identity, "catalog": catalog, "instance": instance}[name]
    schema = build_schema(FEDERATION + SDLS[name]())
    assert schema.query_type is not None
    assert schema.mutation_type is not None
    sent = 0
    for root, kind in (("query", schema.query_type), ("mutation", schema.mutation_type)):
        for field_name, field in kind.fields.items():
            text = operation(root, field_name, field, schema)
            for argument, each in field.args.items():
                plain = {
                    other: sample(one.type) for other, one in field.args.items() if other not in ("last", "before")
                }
                for value in variations(each.type):
                    who = {"account_id": new_id(), "role": "admin"}
                    answer = await client.post(text, {**plain, argument: value}, **who)
                    sent += 1
                    body = answer.body.decode()
                    assert answer.status == 200, (text, argument, value, body)
                    assert "INTERNAL_SERVER_ERROR" not in body, (text, argument, value, caplog.text[-3000:])
                    assert not [leak for leak in LEAKS if leak in body], (text, argument, value, body)
    assert sent > 50
    assert not [
        line
        for record in caplog.records
        for line in record.getMessage().splitlines()
        if line.startswith("ERROR forged")
    ]


@pytest.mark.parametrize("name", ["identity", "catalog", "instance"])
async def test_hostile_representations_are_no_entities(
    name: str, identity: Client, catalog: Client, instance: Client
) -> None:
    client: Client = {"identity": identity, "catalog": catalog, "instance": instance}[name]
    entity = {"identity": "Account", "catalog": "Agent", "instance": "Instance"}[name]
    query = f"query ($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on {entity} {{ id }} }} }}"
    for value in [*TEXTS, *NUMBERS, *VALUES]:
        answer = await client.post(
            query, {"r": [{"__typename": entity, "id": value}]}, account_id=new_id(), role="admin"
        )
        assert answer.json() == {"data": {"_entities": [None]}}, value
