"""Every settings class -> the table of `docs/operations/settings.md`: `python -m botberi.settings_table` prints it."""

import importlib
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from shared_schema.settings import Settings

#: Where parts keep their settings; importing them makes the classes known.
MODULES: Final = (
    "shared_schema.settings",
    "subgraphs.common.settings",
    "subgraphs.identity.settings",
    "subgraphs.catalog.settings",
    "subgraphs.instance.settings",
    "event_broker.settings",
    "workers.settings",
    "workers.catalog.settings",
    "botberi.settings",
)
#: Classes that a part reads -> how the table calls the part; the others are bases of these.
READERS: Final[Mapping[str, str]] = {
    "GatewaySettings": "gateway",
    "IdentitySettings": "identity",
    "CatalogSettings": "catalog",
    "InstanceSettings": "instance",
    "EventBrokerSettings": "broker",
    "WorkerSettings": "dispatcher, worker",
    "CatalogWorkerSettings": "beat, catalog-worker",
    "IdentityWorkerSettings": "identity worker",
    "ServiceSettings": "parts on their own",
    "UpSettings": "up",
    "SeedSettings": "seed",
    "EventsSettings": "events",
    "BackupSettings": "backup, restore",
}


@dataclass(slots=True)
class Setting:
    """One variable, and every part that reads it."""

    name: str
    default: str
    about: str
    readers: list[str] = field(default_factory=list)


def classes() -> list[type[Settings]]:
    """Every settings class of the project."""
    for module in MODULES:
        importlib.import_module(module)
    result: list[type[Settings]] = []
    waiting = [Settings]
    while waiting:
        settings_class = waiting.pop()
        result.append(settings_class)
        waiting += settings_class.__subclasses__()
    return sorted(
        (settings_class for settings_class in result if settings_class.__module__ in MODULES),
        key=lambda settings_class: settings_class.__name__,
    )


def settings() -> dict[str, Setting]:
    """Every variable that some part reads, by its name."""
    known: dict[str, Setting] = {}
    for settings_class in classes():
        for name, info in settings_class.model_fields.items():
            variable = f"BOTBERI_{name.upper()}"
            setting = known.setdefault(variable, Setting(variable, _default(info), _about(settings_class, name)))
            reader = READERS.get(settings_class.__name__)
            if reader is not None and reader not in setting.readers:
                setting.readers.append(reader)
    return dict(sorted(known.items()))


def table() -> str:
    """The table, in Markdown."""
    lines = ["| variable | default | read by | meaning |", "|---|---|---|---|"]
    for setting in settings().values():
        lines.append(f"| `{setting.name}` | {setting.default} | {', '.join(setting.readers)} | {setting.about} |")
    return "\n".join(lines) + "\n"


def _default(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=False)
    if value is PydanticUndefined or value is None:
        return "unset"
    if isinstance(value, tuple | list):
        return f"`{list(value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _about(owner: type[Settings], name: str) -> str:
    """The comment above the field, in the class that declares it; else what its name says."""
    for base in owner.__mro__:
        if name in getattr(base, "__annotations__", {}):
            source = _source(base)
            match = re.search(rf"((?:^ +#.*\n)+) +{name}: ", source, re.MULTILINE)
            if match:
                words = (line.strip().lstrip("#").lstrip(":").strip() for line in match.group(1).splitlines())
                return " ".join(words).replace("|", "\\|")
            if base.__module__ == "shared_schema.settings" and not name.startswith("database_"):
                return (inspect.getdoc(base) or "").splitlines()[0]
            return name.replace("_", " ").capitalize() + "."
    return ""


@cache
def _source(owner: type[Settings]) -> str:
    return inspect.getsource(owner)


if __name__ == "__main__":
    print(table(), end="")
