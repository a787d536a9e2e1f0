"""Two JSON Schemas of one contract, as published and as it is now -> how the new one breaks who relies on the old.

Events live long: rows wait in an outbox or are replayed, and consumers of two versions of the code run side by side. So
a contract may change in no way that makes an old message unreadable to new code, or a new one to old code. It may gain
members that no reader needs; everything else is a new version beside the old.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

#: What people read, and no program.
_WORDS: Final = frozenset({"title", "description", "examples", "$comment", "$schema", "$id", "deprecated"})
_STRUCTURE: Final = frozenset({"$ref", "$defs", "properties", "required", "items", "anyOf", "allOf", "oneOf"})


def breaks(old: Schema, new: Schema) -> list[str]:
    """Return every incompatible change as a line with its place; none when the two get on both ways."""
    return list(_compare(old, new, old, new, "$", frozenset()))


def _compare(
    old: Schema, new: Schema, old_root: Schema, new_root: Schema, place: str, seen: frozenset[tuple[str, str]]
) -> Iterator[str]:
    pair = (str(old.get("$ref", "")), str(new.get("$ref", "")))
    if pair in seen:
        return
    if any(pair):
        seen |= {pair}
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    yield from _rules(old, new, place)
    yield from _members(old, new, old_root, new_root, place, seen)
    if "items" in old and "items" in new:
        yield from _compare(old["items"], new["items"], old_root, new_root, f"{place}[]", seen)
    elif ("items" in old) != ("items" in new):
        yield f"{place}: what a list holds is said in one of them alone"
    for word in ("anyOf", "allOf", "oneOf"):
        yield from _alternatives(old.get(word, []), new.get(word, []), old_root, new_root, f"{place} ({word})", seen)


def _rules(old: Schema, new: Schema, place: str) -> Iterator[str]:
    """Types, values and limits: a narrower one refuses old messages, a wider one surprises old readers."""
    for word in sorted((old.keys() | new.keys()) - _WORDS - _STRUCTURE):
        before, after = old.get(word), new.get(word)
        if word == "enum" and before is not None and after is not None:
            if gone := [value for value in before if value not in after]:
                yield f"{place}: no longer knows {gone}"
            if come := [value for value in after if value not in before]:
                yield f"{place}: {come} is new to old readers"
        elif before != after:
            yield f"{place}: {word} was {_said(word, old)}, is {_said(word, new)}"


def _members(
    old: Schema, new: Schema, old_root: Schema, new_root: Schema, place: str, seen: frozenset[tuple[str, str]]
) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    needed_before, needed_after = set(old.get("required", [])), set(new.get("required", []))
    for name, schema in before.items():
        if name not in after:
            yield f"{place}.{name}: is gone"
            continue
        if name in needed_before - needed_after:
            yield f"{place}.{name}: may be missing now, old readers need it"
        if name in needed_after - needed_before:
            yield f"{place}.{name}: is required now, old messages may lack it"
        yield from _compare(schema, after[name], old_root, new_root, f"{place}.{name}", seen)
    for name in after:
        if name not in before and name in needed_after:
            yield f"{place}.{name}: is new and required, old messages lack it"


def _alternatives(
    old: list[Schema],
    new: list[Schema],
    old_root: Schema,
    new_root: Schema,
    place: str,
    seen: frozenset[tuple[str, str]],
) -> Iterator[str]:
    if len(old) != len(new):
        yield f"{place}: had {len(old)} alternatives, has {len(new)}"
        return
    for index, (before, after) in enumerate(zip(old, new, strict=True)):
        yield from _compare(before, after, old_root, new_root, f"{place}[{index}]", seen)


def _resolved(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        target: Any = root
        for step in str(schema["$ref"]).removeprefix("#/").split("/"):
            target = target[step]
        # What stands beside a reference holds as well.
        schema = {**target, **{word: value for word, value in schema.items() if word != "$ref"}}
    return schema


def _said(word: str, schema: Schema) -> str:
    return repr(schema[word]) if word in schema else "not said"
