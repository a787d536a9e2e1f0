"""A graph with features that the public benchmark lacks: sixteen subgraphs, mostly in federation 1's syntax."""

from typing import Any

from lab.bench.gateway.graph import Graph, SubgraphWorld

LINKS = 50
CHAIN = 5
ITEMS = 10_000
MEDIA = 60
ORDERS = 200
SENSORS = 50


def graph() -> Graph:
    """Chain, wide list, abstract types, errors, mutation, subscription."""
    return Graph(
        "own",
        {
            **_chain(),
            **_items(),
            **_media(),
            **_orders(),
            "comments": _comments(),
            "sensors": _sensors(),
            "places": _places(),
        },
    )


def _chain() -> dict[str, SubgraphWorld]:
    """`v1` needs `v0` of another subgraph, `v2` needs `v1`, …: as many steps in a row as there are subgraphs."""
    rows = [{"id": f"l{number}"} for number in range(LINKS)]
    made = {
        "chain0": SubgraphWorld(
            'type Link @key(fields: "id") { id: ID! v0: Int }\nextend type Query { links(first: Int = 10): [Link] }',
            {"Link": {"keys": ["id"], "rows": [{**row, "v0": number} for number, row in enumerate(rows)]}},
            {"Query": {"links": {"$rows": "Link", "first": "first", "default": 10}}},
        )
    }
    for step in range(1, CHAIN + 1):
        made[f"chain{step}"] = SubgraphWorld(
            f'extend type Link @key(fields: "id") {{ id: ID! @external v{step - 1}: Int @external '
            f'v{step}: Int @requires(fields: "v{step - 1}") }}',
            {"Link": {"keys": ["id"], "shared": {f"v{step}": {"$sum": [f"v{step - 1}"], "plus": 1}}, "rows": rows}},
        )
    return made


def _items() -> dict[str, SubgraphWorld]:
    """A list of up to `ITEMS` entities over three subgraphs."""
    names = [f"i{number}" for number in range(ITEMS)]
    return {
        "items": SubgraphWorld(
            'type Item @key(fields: "id") { id: ID! name: String! size: Int }\n'
            "extend type Query { items(first: Int = 10): [Item!]! item(id: ID!): Item }",
            {
                "Item": {
                    "keys": ["id"],
                    "rows": [{"id": name, "name": f"Item {name}", "size": n % 97} for n, name in enumerate(names)],
                }
            },
            {
                "Query": {
                    "items": {"$rows": "Item", "first": "first", "default": 10},
                    "item": {"$one": "Item", "argument": "id"},
                }
            },
        ),
        "prices": SubgraphWorld(
            'extend type Item @key(fields: "id") { id: ID! @external price: Float currency: String! }',
            {
                "Item": {
                    "keys": ["id"],
                    "shared": {"currency": "EUR"},
                    "rows": [{"id": name, "price": n % 1000 + 0.5} for n, name in enumerate(names)],
                }
            },
        ),
        "stock": SubgraphWorld(
            'extend type Item @key(fields: "id") { id: ID! @external inStock: Boolean! warehouse: Warehouse }\n'
            "type Warehouse { city: String! shelf: Int! }",
            {
                "Item": {
                    "keys": ["id"],
                    "rows": [
                        {
                            "id": name,
                            "inStock": n % 3 == 0,
                            "warehouse": {"__typename": "Warehouse", "city": f"City {n % 7}", "shelf": n % 211},
                        }
                        for n, name in enumerate(names)
                    ],
                }
            },
        ),
    }


def _media() -> dict[str, SubgraphWorld]:
    """A union and an interface of three entities; each has more fields in a second subgraph."""
    kinds = ("Book", "Film", "Song")
    fields: dict[str, str] = {"Book": "pages: Int author: Author", "Film": "minutes: Int", "Song": "seconds: Int"}
    own = "\n".join(
        f'type {kind} implements Media @key(fields: "id") '
        f"{{ id: ID! title: String! related: [Media!]! {fields[kind]} }}"
        for kind in kinds
    )
    sdl = f"""interface Media {{ id: ID! title: String! related: [Media!]! }}
union Found = {" | ".join(kinds)}
type Author {{ name: String! }}
{own}
extend type Query {{ search: [Found!]! feed: [Media!]! }}"""
    tables: dict[str, Any] = {kind: {"keys": ["id"], "rows": []} for kind in kinds}
    ratings: dict[str, Any] = {kind: {"keys": ["id"], "rows": []} for kind in kinds}
    references = [{"$ref": [kinds[number % 3], f"m{number}"]} for number in range(MEDIA)]
    for number in range(MEDIA):
        kind = kinds[number % 3]
        specials: dict[str, dict[str, Any]] = {
            "Book": {"pages": 100 + number, "author": {"__typename": "Author", "name": f"Author {number % 9}"}},
            "Film": {"minutes": 60 + number},
            "Song": {"seconds": 120 + number},
        }
        related = [references[(number + step) % MEDIA] for step in (1, 2, 5)]
        tables[kind]["rows"].append(
            {"id": f"m{number}", "title": f"Medium {number}", "related": related, **specials[kind]}
        )
        ratings[kind]["rows"].append({"id": f"m{number}", "stars": number % 5 + 0.5, "votes": number * 3})
    return {
        "media": SubgraphWorld(
            sdl,
            tables,
            {"Query": {"search": references, "feed": references[: MEDIA // 2]}},
            {"Media": list(kinds), "Found": list(kinds)},
        ),
        "ratings": SubgraphWorld(
            "\n".join(
                f'extend type {kind} @key(fields: "id") {{ id: ID! @external stars: Float votes: Int }}'
                for kind in kinds
            ),
            ratings,
        ),
    }


def _orders() -> dict[str, SubgraphWorld]:
    """One of each five orders is unknown to billing, whose `total` may not be null; one of each three has an error."""
    names = [f"o{number}" for number in range(ORDERS)]
    rows = [
        {
            "id": name,
            "total": n * 10,
            "note": {"$error": f"The note of {name} can't be read."} if n % 3 == 0 else f"Note {n}",
            "paid": None if n % 4 == 0 else True,
        }
        for n, name in enumerate(names)
        if n % 5
    ]
    return {
        "orders": SubgraphWorld(
            'type Order @key(fields: "id") { id: ID! number: Int! }\n'
            "extend type Query { orders(first: Int = 10): [Order] }",
            {"Order": {"keys": ["id"], "rows": [{"id": name, "number": n} for n, name in enumerate(names)]}},
            {"Query": {"orders": {"$rows": "Order", "first": "first", "default": 10}}},
        ),
        "billing": SubgraphWorld(
            'extend type Order @key(fields: "id") { id: ID! @external total: Int! note: String paid: Boolean }',
            {"Order": {"keys": ["id"], "rows": rows}},
        ),
    }


def _comments() -> SubgraphWorld:
    return SubgraphWorld(
        "type Comment { id: ID! text: String! item: Item! }\n"
        'extend type Item @key(fields: "id") { id: ID! @external }\n'
        "type Mutation { addComment(item: ID!, text: String!): Comment! }",
        roots={
            "Mutation": {
                "addComment": {
                    "$make": "Comment",
                    "fields": {
                        "id": "c1",
                        "text": {"$argument": "text"},
                        "item": {"$make": "Item", "fields": {"id": {"$argument": "item"}}},
                    },
                }
            }
        },
    )


def _sensors() -> SubgraphWorld:
    return SubgraphWorld(
        'type Sensor @key(fields: "id") { id: ID! event: Int! at: String! }\n'
        "type Subscription { readings(everyMs: Int!, seed: Int!): Sensor! }\nextend type Query { sensorCount: Int! }",
        {
            "Sensor": {
                "keys": ["id"],
                "rows": [{"id": f"s{number}", "event": 0, "at": "0"} for number in range(SENSORS)],
            }
        },
        {"Subscription": {"readings": {"$stream": "Sensor"}}, "Query": {"sensorCount": SENSORS}},
    )


def _places() -> SubgraphWorld:
    rows = [{"id": f"s{number}", "place": f"Place {number}", "floor": number % 4} for number in range(SENSORS)]
    return SubgraphWorld(
        'extend type Sensor @key(fields: "id") { id: ID! @external place: String floor: Int }',
        {"Sensor": {"keys": ["id"], "rows": rows}},
    )
