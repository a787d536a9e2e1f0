"""`GatewayConfig` -> a JSON Schema, by which editors complete and check the configuration's file."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

import msgspec

from botberi_gateway.config.load import hints, in_files, minimum_of
from botberi_gateway.config.tree import GatewayConfig

#: A number may be written as `${PORT}` or `${PORT:-8080}`.
_EXPANDED: Final = {"type": "string", "pattern": r"\$\{"}


def json_schema() -> dict[str, Any]:
    """The schema, in JSON Schema draft 2020-12."""
    definitions: dict[str, Any] = {}
    root = _object(GatewayConfig, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of botberi-gateway",
        **root,
        "$defs": definitions,
    }


def _object(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    types = hints(kind)
    properties = {
        declared.name: _property(types[declared.name], declared, definitions)
        for declared in fields(kind)
        if in_files(types[declared.name])
    }
    required = [
        declared.name
        for declared in fields(kind)
        if declared.default is MISSING and declared.default_factory is MISSING
    ]
    schema: dict[str, Any] = {"type": ["object", "null"], "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required
    return schema


def _property(kind: Any, declared: Field[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    schema = _type(kind, declared, definitions)
    meaning = declared.metadata.get("meaning")
    unit = declared.metadata.get("unit")
    if meaning:
        schema["description"] = f"{meaning} [{unit}]" if unit else meaning
    if declared.default is not MISSING and not is_dataclass(declared.default):
        schema["default"] = _plain(declared.default)
    return schema


def _type(kind: Any, declared: Field[Any] | None, definitions: dict[str, Any]) -> dict[str, Any]:
    if get_origin(kind) in (Union, UnionType):
        parts = [part for part in get_args(kind) if part is not type(None)]
        return {"anyOf": [*(_type(part, declared, definitions) for part in parts), {"type": "null"}]}
    if is_dataclass(kind):
        assert isinstance(kind, type)
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = {}
            definitions[kind.__name__] = _object(kind, definitions)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    origin = get_origin(kind)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        item = _type(get_args(kind)[1], None, definitions)
        return {"type": ["object", "null"], "additionalProperties": item}
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return {"type": ["array", "null"], "items": _type(get_args(kind)[0], None, definitions)}
    return _leaf(kind, declared)


def _leaf(kind: Any, declared: Field[Any] | None) -> dict[str, Any]:
    if kind is Path:
        return {"type": "string"}
    if kind is str:
        # What YAML reads as a number or a truth value is a text here.
        return {"type": ["string", "number", "boolean"]}
    if kind is bool:
        return {"anyOf": [{"type": "boolean"}, _EXPANDED]}
    if kind in (int, float):
        number: dict[str, Any] = {"type": "integer" if kind is int else "number"}
        if declared is not None:
            minimum, exclusive = minimum_of(declared)
            number["exclusiveMinimum" if exclusive else "minimum"] = minimum
            if declared.metadata.get("maximum") is not None:
                number["maximum"] = declared.metadata["maximum"]
        return {"anyOf": [number, _EXPANDED]}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"anyOf": [{"enum": [member.value for member in kind]}, _EXPANDED]}
    return {"anyOf": [msgspec.json.schema(kind), _EXPANDED]}


def _plain(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value, enc_hook=str))
