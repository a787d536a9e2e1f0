"""The ready-made server: a Starlette app built from one frozen configuration, and what runs it."""

from botberi_gateway.server.app import create_app
from botberi_gateway.server.run import PortTakenError, bind, serve

__all__ = ["PortTakenError", "bind", "create_app", "serve"]
