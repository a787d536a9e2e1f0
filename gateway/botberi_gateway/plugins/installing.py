"""Hooks -> a gateway that calls them."""

from botberi_gateway.engine import Gateway
from botberi_gateway.plugins.hooks import Hooks
from botberi_gateway.plugins.subgraph import hooked


def install(hooks: Hooks, gateway: Gateway) -> None:
    """Have the gateway call the hooks. Its clients get wrappers only where a plug-in has hooks for them."""
    gateway.use_hooks(hooks)
    if hooks.on_subgraph_request or hooks.on_subgraph_response:
        gateway.wrap_clients(lambda name, client: hooked(name, client, hooks))
