"""Undoes the planner's renames in a subgraph's answer; objects off the renamed paths are shared with the answer."""

import logging
from collections.abc import Sequence
from typing import Any

from botberi_gateway.executor.representations import TypeNames
from botberi_gateway.plan import ListItems, Path, Rename, TypeCondition

logger = logging.getLogger(__name__)


def renamed(value: Any, renames: Sequence[Rename], names: TypeNames) -> Any:
    """The answer (the operation's data, or an entity) with each `source` called `target`."""
    try:
        for rename in renames:
            value = _rename(value, rename.path, rename, names)
    except RecursionError:
        # Lists in lists in lists …, where the type has none: projection finds the wrong shape and reports it.
        logger.warning("an answer is nested too deeply to undo renames in it")
    return value


def _rename(value: Any, path: Path, rename: Rename, names: TypeNames) -> Any:
    if not path:
        if isinstance(value, list):
            return [_rename(item, path, rename, names) for item in value]
        if not isinstance(value, dict) or rename.source not in value:
            return value
        changed = {key: item for key, item in value.items() if key not in (rename.source, rename.target)}
        changed[rename.target] = value[rename.source]
        return changed
    element, rest = path[0], path[1:]
    if isinstance(element, ListItems):
        return [_rename(item, rest, rename, names) for item in value] if isinstance(value, list) else value
    if isinstance(value, list):
        return [_rename(item, path, rename, names) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(element, TypeCondition):
        name = value.get("__typename")
        fits = isinstance(name, str) and names.includes(element.types, name)
        return _rename(value, rest, rename, names) if fits else value
    if element not in value:
        return value
    return {**value, element: _rename(value[element], rest, rename, names)}


def renamed_path(path: Sequence[str | int], renames: Sequence[Rename]) -> tuple[str | int, ...]:
    """An error's path (below the operation, or below the entity) in terms of the renamed answer."""
    result = list(path)
    for rename in renames:
        path_names = [element for element in rename.path if isinstance(element, str)]
        keys = [(index, key) for index, key in enumerate(path) if isinstance(key, str)]
        names = [key for _, key in keys]
        if (
            len(names) > len(path_names)
            and names[: len(path_names)] == path_names
            and names[len(path_names)] == rename.source
        ):
            result[keys[len(path_names)][0]] = rename.target
    return tuple(result)
