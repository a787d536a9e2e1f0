"""A GraphQL federation gateway for any graph: compose, plan, execute, serve."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from botberi_gateway.composition import Composer as Composer, Composition as Composition
    from botberi_gateway.composition import Subgraph as Subgraph, compose as compose
    from botberi_gateway.supergraph import Supergraph as Supergraph
    from botberi_gateway.planner import build_plan as build_plan
    from botberi_gateway.plan import Plan as Plan
    from botberi_gateway.engine import Gateway as Gateway
    from botberi_gateway.transport.app import GraphQLApp as GraphQLApp
    from botberi_gateway.transport.route import GraphQLRoute as GraphQLRoute

# Each name is imported when it is first asked for: a server that only executes never pays for the composer.
_HOMES: Final = {
    "Subgraph": "botberi_gateway.composition",
    "compose": "botberi_gateway.composition",
    "Composer": "botberi_gateway.composition",
    "Composition": "botberi_gateway.composition",
    "Supergraph": "botberi_gateway.supergraph",
    "build_plan": "botberi_gateway.planner",
    "Plan": "botberi_gateway.plan",
    "Gateway": "botberi_gateway.engine",
    "GraphQLApp": "botberi_gateway.transport.app",
    "GraphQLRoute": "botberi_gateway.transport.route",
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
        raise AttributeError(f"module 'botberi_gateway' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
