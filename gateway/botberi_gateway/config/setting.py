"""How a field of a configuration class is declared and described, and how all fields of the tree are listed."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Final, TypeVar, cast

ValueT = TypeVar("ValueT")

SECONDS: Final = "s"
BYTES: Final = "bytes"


def setting(
    default: ValueT,
    meaning: str,
    *,
    unit: str = "",
    option: str | None = None,
    item: type[Any] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    restart: bool = False,
    secret: bool = False,
    inherits: str | None = None,
    extends: bool = False,
) -> ValueT:
    """Declare a dataclass field: its default, what it means, its unit, and the option of `serve` that sets it.

    - `item`: the configuration class of each entry, where the value is a sequence or a mapping of such.
    - `minimum`, `maximum`: bounds of a number. By default numbers are at least 1 and times greater than 0; where the
      default is 0, at least 0.
    - `restart`: a change takes effect when the process starts again; all else can change while it runs.
    - `secret`: `config show` doesn't print it.
    - `inherits`: the path of the branch that gives the values which an entry of this mapping doesn't have.
    - `extends`: what the option gives is added to what holds already.

    A type checker sees the default's type, as with `dataclasses.field`.
    """
    metadata = {
        "meaning": meaning,
        "unit": unit,
        "option": option,
        "item": item,
        "minimum": minimum,
        "maximum": maximum,
        "restart": restart,
        "secret": secret,
        "inherits": inherits,
        "extends": extends,
    }
    declared: Any
    if isinstance(default, dict):  # dataclasses refuse a dictionary as a default, which all instances would share
        declared = field(default_factory=default.copy, metadata=metadata)
    else:
        declared = field(default=default, metadata=metadata)
    return cast(ValueT, declared)


def branch(kind: type[ValueT], meaning: str) -> ValueT:
    """Declare a dataclass field that holds another configuration class; by default one with all its defaults."""
    declared: Any = field(default_factory=kind, metadata={"meaning": meaning})
    return cast(ValueT, declared)


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of a configuration tree. `path` is how Python code reaches it, such as `engine.operation.max_depth`."""

    path: str
    default: Any
    meaning: str
    unit: str
    option: str | None
    #: Whether a change takes effect only when the process starts again.
    restart: bool = False
    #: Whether what its option gives is added to what holds already.
    extends: bool = False


def settings_of(config: Any, path: str = "") -> Iterator["Setting | Branch"]:
    """Every branch and value below a configuration, in the order of their declaration, a branch before its values.

    The classes of entries come as branches too: `path[]` for those of a sequence, `path.*` for those of a mapping.
    """
    inner: list[tuple[str, Any, str]] = []
    is_entry = "*" in path or "[]" in path
    for declared in fields(config):
        value = getattr(config, declared.name)
        below = f"{path}.{declared.name}" if path else declared.name
        metadata = declared.metadata
        if is_dataclass(value):
            inner.append((below, value, metadata["meaning"]))
        else:
            yield Setting(
                below,
                value,
                metadata["meaning"],
                metadata["unit"],
                None if is_entry else metadata["option"],
                metadata["restart"],
                metadata["extends"],
            )
            item = metadata["item"]
            if item is not None:
                entry = f"{below}.*" if isinstance(value, dict) else f"{below}[]"
                inner.append((entry, item(), f"One entry of `{declared.name}`."))
    for below, value, meaning in inner:
        yield Branch(below, type(value).__name__, meaning)
        yield from settings_of(value, below)


@dataclass(frozen=True, slots=True)
class Branch:
    """A configuration class within another one."""

    path: str
    kind: str
    meaning: str
