"""A subgraph's name and SDL -> its documents, at `/docs/<name>`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.routing import Route

from subgraphs.common.documents.openapi import Endpoint, openapi
from subgraphs.common.documents.reference import read_reference
from subgraphs.common.documents.routes import Documents, document_routes

#: The subgraphs, each with what it is for.
SUMMARIES: Final = {
    "identity": "Accounts, sessions and API keys.",
    "catalog": "Agents and templates: curated by the platform, browsed by everybody.",
    "instance": "Runs of agents, their results, their schedules.",
}
_ENDPOINTS: Final = (
    Endpoint(
        "POST",
        "/graphql",
        "Queries and mutations, from the gateway alone.",
        {
            200: ("The result.", "application/graphql-response+json"),
            401: ("The request has no valid assertion of the gateway.", "application/json"),
            413: ("The body is larger than is allowed.", "application/json"),
        },
        body={
            "type": "object",
            "required": ["query"],
            "properties": {
                "query": {"type": "string"},
                "variables": {"type": "object"},
                "operationName": {"type": "string"},
            },
        },
        headers={"Botberi-Assertion": "An EdDSA JWT for this very request, which the gateway signs."},
        tag="graphql",
    ),
    Endpoint(
        "GET",
        "/health",
        "Whether it works.",
        {
            200: ("It works.", "application/json"),
            503: ("The database does not answer.", "application/json"),
        },
    ),
    Endpoint("GET", "/metrics", "What Prometheus reads.", {200: ("Metrics.", "text/plain")}),
)


def service_routes(name: str, sdl: str, endpoints: Sequence[Endpoint]) -> Sequence[Route]:
    """The routes of its documents. `endpoints` are those that only this subgraph has."""
    title = f"{name.capitalize()} subgraph"
    summary = SUMMARIES[name]
    documents = Documents(
        name,
        title,
        f"{summary} Clients reach it through the gateway.",
        lambda: read_reference(sdl),
        openapi(title, f"{summary} Inside the network only.", "1", (*_ENDPOINTS, *endpoints)),
        others=[other for other in SUMMARIES if other != name],
    )
    return document_routes(documents)
