"""`../public` -> the public gateway benchmark's graph: accounts, inventory, products, reviews, as served there."""

import json
from pathlib import Path
from typing import Any

from lab.bench.gateway.graph import Graph, SubgraphWorld

FOLDER = Path(__file__).resolve().parents[1] / "public"
QUERIES = ("large", "medium", "small")


def query(name: str) -> str:
    """One of `QUERIES`."""
    return (FOLDER / "queries" / f"{name}.graphql").read_text()


def graph() -> Graph:
    """The SDLs of the benchmark's servers compose by federation 1 alone, so the supergraph is the benchmark's too."""
    users, products, inventory, reviews = (_data(name) for name in ("users", "products", "inventory", "reviews"))
    subgraphs = {
        "accounts": SubgraphWorld(
            _sdl("accounts"),
            {"User": {"keys": ["id"], "rows": users}},
            {
                "Query": {
                    "me": {"$ref": ["User", "1"]},
                    "user": {"$one": "User", "argument": "id"},
                    "users": {"$rows": "User"},
                }
            },
            link=False,
        ),
        # Its formula never sees a price there, though gateways have to send one: the answer is always null.
        "inventory": SubgraphWorld(
            _sdl("inventory"),
            {"Product": {"keys": ["upc"], "shared": {"shippingEstimate": None}, "rows": inventory}},
            link=False,
        ),
        "products": SubgraphWorld(
            _sdl("products"),
            {"Product": {"keys": ["upc"], "rows": products}},
            {"Query": {"topProducts": {"$rows": "Product", "first": "first", "default": 5}}},
            link=False,
        ),
        "reviews": SubgraphWorld(_sdl("reviews"), _reviews(users, products, reviews), link=False),
    }
    return Graph("public", subgraphs, (FOLDER / "supergraph.graphql.tmpl").read_text())


def _reviews(users: list[Any], products: list[Any], reviews: list[Any]) -> dict[str, Any]:
    """Every review is by user 1, every user has the first two; the username of an entity is the constant "user"."""

    def of(upc: str) -> list[Any]:
        return [{"$ref": ["Review", one["id"]]} for one in reviews if one["productUpc"] == upc]

    return {
        "Review": {
            "keys": ["id"],
            "shared": {"author": {"$ref": ["User", "1"], "with": {"username": users[0]["username"]}}},
            "rows": [
                {"id": one["id"], "body": one["body"], "product": {"$ref": ["Product", one["productUpc"]]}}
                for one in reviews
            ],
        },
        "Product": {"keys": ["upc"], "rows": [{"upc": one["upc"], "reviews": of(one["upc"])} for one in products]},
        "User": {
            "keys": ["id"],
            "shared": {"username": "user", "reviews": [{"$ref": ["Review", "1"]}, {"$ref": ["Review", "2"]}]},
            "rows": [{"id": one["id"]} for one in users],
        },
    }


def _sdl(name: str) -> str:
    return (FOLDER / "sdl" / f"{name}.graphql").read_text()


def _data(name: str) -> list[Any]:
    rows: list[Any] = json.loads((FOLDER / "data" / f"{name}.json").read_text())
    return rows
