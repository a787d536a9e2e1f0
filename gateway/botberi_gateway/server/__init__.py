"""The ready-made server: a Starlette app made from a gateway and a configuration, and what runs it."""

from botberi_gateway.server.app import create_app
from botberi_gateway.server.run import PortTakenError, bind, serve

__all__ = ["PortTakenError", "bind", "create_app", "serve"]
