"""What an execution needs, from flat keywords."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from botberi_gateway.config import EngineConfig
from botberi_gateway.executor import Environment, Runtime
from botberi_gateway.upstream import SubgraphClient

_OF_CONFIG = {field.name for field in fields(EngineConfig)}
_OF_ENVIRONMENT = {field.name for field in fields(Environment)}


def runtime_of(clients: Mapping[str, SubgraphClient], **values: Any) -> Runtime:
    """A runtime over these clients; `values` are fields of `EngineConfig`, `Environment` and `Runtime`."""
    config = {name: values.pop(name) for name in list(values) if name in _OF_CONFIG}
    environment = {name: values.pop(name) for name in list(values) if name in _OF_ENVIRONMENT}
    return Runtime(Environment(clients, EngineConfig(**config), **environment), **values)
