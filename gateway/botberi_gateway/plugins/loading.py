"""Names in the configuration -> plug-ins: entry points of installed packages, or `module:attribute`."""

import importlib
from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from typing import Any, Final

from botberi_gateway.config import PluginConfig
from botberi_gateway.plugins.plugin import Plugin

#: The group of entry points in which packages name their plug-ins.
GROUP: Final = "botberi_gateway.plugins"


class PluginError(ValueError):
    """A plug-in can't be loaded; the message names it and says why."""


def load_plugins(configs: Iterable[PluginConfig]) -> list[tuple[Plugin, PluginConfig]]:
    """The plug-ins, each made with its options. Raises `PluginError`."""
    return [(_made(config), config) for config in configs]


def check_plugins(configs: Iterable[PluginConfig]) -> None:
    """Raises `PluginError` for a name that nothing has. Makes no plug-in."""
    for config in configs:
        _found(config.use)


def _made(config: PluginConfig) -> Plugin:
    make = _found(config.use)
    try:
        plugin = make(**config.options)
    except Exception as error:
        # Not the options themselves, as there may be secrets among them.
        raise PluginError(f"Plug-in {config.use!r} refuses its options: {type(error).__name__}: {error}") from error
    if not isinstance(plugin, Plugin):
        raise PluginError(f"Plug-in {config.use!r} is a {type(plugin).__name__}, no botberi_gateway.plugins.Plugin.")
    return plugin


def _found(name: str) -> Callable[..., Any]:
    module_name, separator, attribute = name.partition(":")
    if not separator:
        installed = {point.name: point for point in entry_points(group=GROUP)}
        if name not in installed:
            known = ", ".join(sorted(installed)) or "none"
            raise PluginError(
                f"No installed package has a plug-in {name!r}; installed: {known}. Or name module:attribute."
            )
        return _checked(name, installed[name].load())
    try:
        value: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            value = getattr(value, part)
    except ImportError as error:
        raise PluginError(f"Plug-in {name!r} can't be imported: {error}") from error
    except AttributeError:
        raise PluginError(f"Plug-in {name!r}: module {module_name!r} has no {attribute!r}.") from None
    return _checked(name, value)


def _checked(name: str, value: Any) -> Callable[..., Any]:
    if not callable(value):
        raise PluginError(f"Plug-in {name!r} is neither a class nor a function that makes one.")
    return value  # type: ignore[no-any-return]
