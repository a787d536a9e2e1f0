"""Payloads of incremental delivery -> the whole answer, as a client makes it."""

import copy
from collections.abc import Mapping
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
#: Its place, and its label.
Fragment: TypeAlias = tuple[Path, str | None]


class Whole:
    """Reads payloads (with `pending` and `completed`) in their order. Raises `ValueError` for forbidden ones."""

    def __init__(self) -> None:
        self.data: Any = None
        #: All errors that were reported.
        self.errors: list[Mapping[str, Any]] = []
        #: Fragments that failed, by their place and label, and why they did.
        self.failed: dict[Fragment, list[Mapping[str, Any]]] = {}
        self.payloads = 0
        self._pending: dict[str, Mapping[str, Any]] = {}
        self._more = True

    def read(self, payload: Mapping[str, Any]) -> None:
        """One payload."""
        if not self._more:
            raise ValueError("a payload after the last")
        self.payloads += 1
        if "data" in payload:
            self.data = copy.deepcopy(payload["data"])
        self.errors += payload.get("errors", ())
        for one in payload.get("pending", ()):
            if one["id"] in self._pending:
                raise ValueError(f"pending twice: {one}")
            self._pending[one["id"]] = one
        for one in payload.get("incremental", ()):
            target = self.data
            for key in (*self._pending[one["id"]]["path"], *one.get("subPath", ())):
                target = target[key]
            _merge(target, one["data"])
            self.errors += one.get("errors", ())
        for one in payload.get("completed", ()):
            pending = self._pending.pop(one["id"])
            # A field of two fragments that is null where it can't be fails both, and each tells why.
            known = [error for found in self.failed.values() for error in found]
            self.errors += [error for error in one.get("errors", ()) if error not in known]
            if one.get("errors"):
                # Fragments without a label may share their place.
                self.failed.setdefault((tuple(pending["path"]), pending.get("label")), []).extend(one["errors"])
        self._more = payload.get("hasNext", False)
        if not self._more and self._pending:
            raise ValueError(f"never completed: {self._pending}")


def _merge(into: dict[str, Any], fields: Mapping[str, Any]) -> None:
    for key, value in fields.items():
        if key not in into:
            into[key] = copy.deepcopy(value)
        elif isinstance(value, dict) and isinstance(into[key], dict):
            _merge(into[key], value)
        elif isinstance(value, list) and isinstance(into[key], list) and len(value) == len(into[key]):
            for mine, other in zip(into[key], value, strict=True):
                _merge(mine, other)
        else:
            raise ValueError(f"{key!r} is sent twice")
