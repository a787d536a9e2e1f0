"""A GraphQL federation gateway for any graph: compose, plan, execute, serve."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gateway.composition import Composer as Composer, Composition as Composition
    from gateway.composition import Subgraph as Subgraph, compose as compose
    from gateway.supergraph import Supergraph as Supergraph
    from gateway.planner import build_plan as build_plan
    from gateway.plan import Plan as Plan
    from gateway.engine import Gateway as Gateway
    from gateway.transport.app import GraphQLApp as GraphQLApp
    from gateway.transport.route import GraphQLRoute as GraphQLRoute

# Each name is imported when it is first asked for: a server that only executes never pays for the composer.
_HOMES: Final = {
    "Subgraph": "gateway.composition",
    "compose": "gateway.composition",
    "Composer": "gateway.composition",
    "Composition": "gateway.composition",
    "Supergraph": "gateway.supergraph",
    "build_plan": "gateway.planner",
    "Plan": "gateway.plan",
    "Gateway": "gateway.engine",
    "GraphQLApp": "gateway.transport.app",
    "GraphQLRoute": "gateway.transport.route",
}

__all__ = [
    "Subgraph",
    "compose",
    "Composer",
    "Composition",
    "Supergraph",
    "build_plan",
    "Plan",
    "Gateway",
    "GraphQLApp",
    "GraphQLRoute",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'gateway' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
