"""A configuration -> what holds, as a file would have it, and where each value comes from."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from botberi_gateway.config.load import Loaded, hints, in_files
from botberi_gateway.config.setting import Branch, settings_of
from botberi_gateway.config.tree import GatewayConfig

_HIDDEN: Final = "(hidden)"


def values_of(loaded: Loaded) -> Iterator[tuple[str, Any, str]]:
    """Each value's path, the value as it may be shown, and where it comes from.

    Secrets are hidden; a text with a `${…}` or `file:` stands as it is written, so that no secret shows.
    """
    yield from _values(loaded, loaded.config, "", secret=False)


def as_yaml(loaded: Loaded, *, changed: bool = False) -> str:
    """The configuration as YAML, with the origin of each value beside it; `changed` leaves defaults out."""
    lines: list[str] = []
    open_branches: list[str] = []
    for path, value, origin in values_of(loaded):
        if changed and origin == "default":
            continue
        *above, name = _keys(path)
        while open_branches != above[: len(open_branches)]:
            open_branches.pop()
        for key in above[len(open_branches) :]:
            lines.append(f"{'  ' * len(open_branches)}{_key(key)}:")
            open_branches.append(key)
        text = json.dumps(value, ensure_ascii=False)
        lines.append(f"{'  ' * len(above)}{_key(name)}: {text}  # {origin}")
    return "\n".join((*lines, ""))


def as_json(loaded: Loaded) -> list[dict[str, Any]]:
    """The same as a list of `{path, value, origin}`."""
    return [{"path": path, "value": value, "origin": origin} for path, value, origin in values_of(loaded)]


def _values(loaded: Loaded, value: Any, path: str, *, secret: bool) -> Iterator[tuple[str, Any, str]]:
    if is_dataclass(value):
        kinds = hints(type(value))  # type: ignore[arg-type]  # an instance
        inner = [declared for declared in fields(value) if in_files(kinds[declared.name])]
        # Branches come last, as in the tree's own list.
        for declared in sorted(inner, key=lambda entry: is_dataclass(getattr(value, entry.name))):
            below = f"{path}.{declared.name}" if path else declared.name
            hide = secret or bool(declared.metadata.get("secret"))
            yield from _values(loaded, getattr(value, declared.name), below, secret=hide)
    elif isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _values(loaded, item, f"{path}.{key}", secret=secret)
    else:
        yield path, _shown(loaded, value, path, secret=secret), str(loaded.origins.get(path, "default"))


def _shown(loaded: Loaded, value: Any, path: str, *, secret: bool) -> Any:
    if isinstance(value, list | tuple):
        return [_shown(loaded, item, f"{path}[{i}]", secret=secret) for i, item in enumerate(value)]
    if is_dataclass(value):
        return {
            declared.name: _shown(loaded, getattr(value, declared.name), f"{path}.{declared.name}", secret=secret)
            for declared in fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): _shown(loaded, item, f"{path}.{key}", secret=secret) for key, item in value.items()}
    if isinstance(value, bool | int | float) or value is None:
        return value
    written = loaded.written.get(path)
    if written is not None:
        return written
    if secret:
        return _HIDDEN
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


def _keys(path: str) -> list[str]:
    return path.split(".")


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and not key.isdigit() else json.dumps(key)


def initial() -> str:
    """A file to begin with: the values that most people set, and in comments what they mean."""
    meanings = {entry.path: entry.meaning for entry in settings_of(GatewayConfig()) if not isinstance(entry, Branch)}
    return _INITIAL.format(**{path.replace(".", "_"): meaning for path, meaning in meanings.items()})


_INITIAL: Final = """\
# Configuration of botberi-gateway. `botberi-gateway config check gateway.yaml` checks it, `config show` prints every
# value with its origin; all settings: docs/reference/gateway-configuration.md.
# yaml-language-server: $schema=gateway-configuration.schema.json

# {watch}
watch: true

server:
  host: 0.0.0.0
  port: ${{PORT:-8080}}

graph:
  # Subgraphs that the gateway composes. Without `schema` each is asked for its SDL.
  subgraphs:
    accounts:
      url: http://localhost:4001/graphql
    reviews:
      url: http://localhost:4002/graphql
      # schema: {{file: reviews.graphql}}
  # Or a supergraph that was composed elsewhere:
  # supergraph: {{file: supergraph.graphql}}
  # {graph_poll_interval_seconds}
  poll_interval_seconds: 10
  # {graph_state_folder}
  # state_folder: state

transport:
  # {transport_allowed_origins}
  allowed_origins: []
  # {transport_forward_headers}
  forward_headers: [accept-language, traceparent, tracestate, x-request-id]

engine:
  # {engine_subgraph_timeout_seconds}
  subgraph_timeout_seconds: 15
  operation:
    # {engine_operation_max_depth}
    max_depth: 25

log:
  format: text
"""
