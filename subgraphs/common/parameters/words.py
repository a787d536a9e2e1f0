"""Errors of the JSON Schema validator -> sentences for people: what is missing or wrong, and where.

A sentence quotes what the schema says and names of members, never the value itself, which may be secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from jsonschema_rs import ValidationError

from subgraphs.common.errors import FieldProblem
from subgraphs.common.places import Steps, place, quoted, shown

Path = tuple[str, ...]

MAX_MESSAGE: Final = 300
_MAX_OPTIONS: Final = 12

_TYPES: Final = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
    "object": "an object",
    "array": "a list",
}


def schema_problem(error: ValidationError, path: Path) -> FieldProblem:
    """Problem of a schema itself, by JSON Schema's own rules."""
    steps = list(error.instance_path)
    if error.kind.name == "format" and error.kind.as_dict().get("format") == "regex":
        text = (
            "is no regular expression that is checked in linear time: look-around (`(?=`, `(?!`), back references "
            "(`\\1`) and very large repeats are refused."
        )
    else:
        text = f"{_phrase(error, {})}, by the rules of JSON Schema 2020-12."
    subject = f"`{place(steps)}`" if steps else "The schema"
    return FieldProblem((*path, *map(str, steps)), _shortened(f"{subject} {text}"))


def value_problem(error: ValidationError, schema: Mapping[str, Any], value: object, path: Path) -> list[FieldProblem]:
    """Problems of a value, each with its place below `path`."""
    return [
        FieldProblem((*path, *map(str, steps)), _shortened(_sentence(steps, text)))
        for steps, text in _findings(error, schema, value)
    ]


def _findings(error: ValidationError, schema: Mapping[str, Any], value: object) -> list[tuple[Steps, str]]:
    steps = list(error.instance_path)
    kind = error.kind.name
    if kind == "required":
        # The place of what is missing, not of what misses it: that is where a form marks it.
        return [([*steps, str(error.kind.as_dict()["property"])], "is required, and missing")]
    if kind in ("additionalProperties", "unevaluatedProperties"):
        return [([*steps, name], "is not known here") for name in error.kind.as_dict()["unexpected"]]
    if kind == "falseSchema" and error.schema_path[-1:] == ["additionalProperties"]:
        here = _value_at(value, steps)
        return [([*steps, name], "is not known here") for name in here] if isinstance(here, Mapping) else []
    if kind == "propertyNames":
        inner = error.kind.as_dict()["error"]
        return [([*steps, str(inner.instance)], f"has a name that does not fit: it {_phrase(inner, schema)}")]
    if kind in ("anyOf", "oneOf") and (closest := _closest(error)):
        return [finding for each in closest for finding in _findings(each, schema, value)]
    return [(steps, _phrase(error, schema))]


def _closest(error: ValidationError) -> list[ValidationError]:
    """Errors of that form, of several, that the value was most likely meant to have: the deepest ones."""
    branches: list[list[ValidationError]] = error.kind.as_dict()["context"]
    here = len(error.instance_path)
    deep = [branch for branch in branches if branch and min(len(each.instance_path) for each in branch) > here]
    return min(deep, key=len) if len(deep) == 1 else []


def _phrase(error: ValidationError, schema: Mapping[str, Any]) -> str:
    kind = error.kind
    write = _PHRASES.get(kind.name)
    if kind.name in ("anyOf", "oneOf"):
        return _alternatives(error, schema)
    if kind.name == "contains":
        return _contains(error, schema)
    if write is None:
        return f"does not fit what the schema says by `{kind.name}`"
    return write(kind.as_dict())


def _count(number: Any, singular: str, plural: str) -> str:
    return f"1 {singular}" if number == 1 else f"{number:,} {plural}"


_PHRASES: Final[Mapping[str, Callable[[dict[str, Any]], str]]] = {
    "type": lambda said: f"must be {_either(_TYPES.get(each, each) for each in said['types'])}",
    "enum": lambda said: f"must be one of {_options(said['options'])}",
    "const": lambda said: f"must be {quoted(said['expected_value'])}",
    "minLength": lambda said: f"needs at least {_count(said['limit'], 'character', 'characters')}",
    "maxLength": lambda said: f"may have at most {_count(said['limit'], 'character', 'characters')}",
    "pattern": lambda said: f"must match the pattern {quoted(said['pattern'])}",
    "format": lambda said: f"must be of the format {quoted(said['format'])}",
    "minimum": lambda said: f"must be at least {said['limit']}",
    "maximum": lambda said: f"must be at most {said['limit']}",
    "exclusiveMinimum": lambda said: f"must be more than {said['limit']}",
    "exclusiveMaximum": lambda said: f"must be less than {said['limit']}",
    "multipleOf": lambda said: f"must be a multiple of {said['multiple_of']}",
    "minItems": lambda said: f"needs at least {_count(said['limit'], 'item', 'items')}",
    "maxItems": lambda said: f"may have at most {_count(said['limit'], 'item', 'items')}",
    "uniqueItems": lambda _: "has the same item twice",
    "minProperties": lambda said: f"needs at least {_count(said['limit'], 'member', 'members')}",
    "maxProperties": lambda said: f"may have at most {_count(said['limit'], 'member', 'members')}",
    "required": lambda said: f"needs {quoted(said['property'])}",
    "falseSchema": lambda _: "is not allowed here",
    "not": lambda _: "has a form that is not allowed here",
    "contentEncoding": lambda said: f"must be encoded as {quoted(said['content_encoding'])}",
    "contentMediaType": lambda said: f"must be of the type {quoted(said['content_media_type'])}",
    "additionalItems": lambda said: f"may have at most {_count(said['limit'], 'item', 'items')}",
    "additionalProperties": lambda _: "has members that are not known here",
    "unevaluatedProperties": lambda _: "has members that are not known here",
    "unevaluatedItems": lambda _: "has items beyond those that are known here",
    "propertyNames": lambda _: "has a member whose name does not fit",
}


def _alternatives(error: ValidationError, schema: Mapping[str, Any]) -> str:
    branches: list[list[ValidationError]] = error.kind.as_dict()["context"]
    fitting = sum(not branch for branch in branches)
    wanted = _only_required(_schema_at(schema, list(error.schema_path)))
    if error.kind.name == "oneOf" and fitting > 1:
        if wanted:
            return f"takes only one of {', '.join(wanted)}"
        return "fits more than one of the forms of which it must have exactly one"
    if wanted:
        return f"needs one of {', '.join(wanted)}"
    # By what each form says first; forms that say the same are one.
    phrases = dict.fromkeys(_phrase(branch[0], schema) for branch in branches if branch)
    listed = " or ".join(list(phrases)[:_MAX_OPTIONS])
    return f"fits none of its forms: it {listed}" if len(phrases) > 1 else listed or "fits none of its forms"


def _only_required(forms: object) -> list[str]:
    """Names, where each form asks for nothing but one member."""
    if not isinstance(forms, list) or not all(
        isinstance(form, Mapping) and list(form) == ["required"] and len(form["required"]) == 1 for form in forms
    ):
        return []
    return [f"`{shown(str(form['required'][0]))}`" for form in forms]


def _contains(error: ValidationError, schema: Mapping[str, Any]) -> str:
    steps = list(error.schema_path)
    limits = _schema_at(schema, steps[:-1])
    said = limits if isinstance(limits, Mapping) else {}
    if steps[-1:] == ["maxContains"]:
        return f"may have at most {_count(said.get('maxContains'), 'item', 'items')} of the form that it is about"
    return f"needs at least {_count(said.get('minContains', 1), 'item', 'items')} of the form that it is about"


def _schema_at(schema: object, steps: Steps) -> object:
    """The part of a schema that an error names; `$ref` on the way is followed."""
    root, here = schema, schema
    for step in steps:
        if step == "$ref" and isinstance(here, Mapping):
            here = _pointed(root, str(here.get("$ref", "")))
        elif isinstance(here, Mapping):
            here = here.get(str(step))
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            here = here[step]
        else:
            return None
    return here


def _pointed(root: object, reference: str) -> object:
    here = root
    for step in reference.lstrip("#").split("/")[1:]:
        if not isinstance(here, Mapping):
            return None
        here = here.get(step.replace("~1", "/").replace("~0", "~"))
    return here


def _value_at(value: object, steps: Steps) -> object:
    for step in steps:
        if isinstance(value, Mapping):
            value = value.get(str(step))
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step]
    return value


def _sentence(steps: Steps, text: str) -> str:
    subject = f"`{place(steps)}`" if steps else "The parameters"
    if not steps:
        text = re.sub(r"^(needs|takes|has|fits)\b", lambda match: _PLURAL[match[1]], text)
    return f"{subject} {text}."


_PLURAL: Final = {"needs": "need", "takes": "take", "has": "have", "fits": "fit"}


def _options(options: Sequence[Any]) -> str:
    shown = ", ".join(map(quoted, options[:_MAX_OPTIONS]))
    return f"{shown} and {len(options) - _MAX_OPTIONS} more" if len(options) > _MAX_OPTIONS else shown


def _either(names: Iterable[str]) -> str:
    listed = sorted(dict.fromkeys(names))
    return " or ".join([", ".join(listed[:-1]), listed[-1]]) if len(listed) > 1 else listed[0]


def _shortened(message: str) -> str:
    return message if len(message) <= MAX_MESSAGE else message[:MAX_MESSAGE] + "…"
