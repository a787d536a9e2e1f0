"""`GatewayConfig` -> the page `docs/reference/gateway-configuration.md`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from botberi_gateway.config.json_schema import json_schema
from botberi_gateway.config.setting import Branch, Setting, settings_of
from botberi_gateway.config.tree import GatewayConfig

_HEAD: Final = """# Configuration of the gateway

Every limit and setting is a value of one tree, `botberi_gateway.config.GatewayConfig`. `Gateway` takes the branch
`engine`, `GraphQLApp` the branch `transport`, `create_app` and `serve` the whole:

```python
from botberi_gateway.config import EngineConfig, GatewayConfig, OperationLimits, ServerConfig

config = GatewayConfig(
    server=ServerConfig(path="/api", drain_delay_seconds=5),
    engine=EngineConfig(operation=OperationLimits(max_depth=15)),
)
```

`botberi-gateway serve --config gateway.yaml` reads the same tree from a file: [configuration
files](../gateway/configuration.md) says how. Names that begin with `max_` are limits, names that end with `_seconds`
are times. Where a value names an option, `botberi-gateway serve` sets it by that option. Changes take effect when the
file is read again, but for values with "restart", for which the process starts again. This page is made by `python -m
botberi_gateway.config docs/reference`.

## The root

`GatewayConfig`.

| value | default | unit | meaning |
|---|---|---|---|
"""


def page() -> str:
    """The page, in Markdown."""
    return _HEAD + "\n".join(_lines()) + "\n"


def write(folder: Path) -> None:
    """Write the page and the JSON Schema into `docs/reference`."""
    (folder / "gateway-configuration.md").write_text(page())
    (folder / "gateway-configuration.schema.json").write_text(json.dumps(json_schema(), indent=2) + "\n")


def _lines() -> Iterator[str]:
    described: dict[str, str] = {}
    hidden: str | None = None
    for entry in settings_of(GatewayConfig()):
        if hidden is not None and entry.path.startswith(hidden):
            continue
        if isinstance(entry, Branch):
            yield f"\n## `{entry.path}`\n"
            hidden = f"{entry.path}." if entry.kind in described else None
            if hidden is not None:
                yield f"`{entry.kind}`. {entry.meaning} The values are those of `{described[entry.kind]}`."
                continue
            described[entry.kind] = entry.path
            yield f"`{entry.kind}`. {entry.meaning}\n"
            yield "| value | default | unit | meaning |"
            yield "|---|---|---|---|"
        else:
            yield _row(entry)


def _row(setting: Setting) -> str:
    name = setting.path.rpartition(".")[2]
    option = f" `{setting.option}`" if setting.option else ""
    restart = " (restart)" if setting.restart else ""
    return f"| `{name}` | {_shown(setting.default)} | {setting.unit} | {setting.meaning}{option}{restart} |"


def _shown(default: Any) -> str:
    match default:
        case None:
            return "unset"
        case bool():
            return "yes" if default else "no"
        case int():
            return f"{default:,}"
        case float():
            return f"{default:g}"
        case str():
            return f"`{default}`"
        case _:
            return ", ".join(f"`{item}`" for item in default) or "none"
