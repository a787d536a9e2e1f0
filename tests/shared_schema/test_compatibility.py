"""A contract changes so that old and new code read each other's messages, or a test says how it does not."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from botberi import contract_documents
from shared_schema.contracts.compatibility import breaks
from shared_schema.contracts.events import CONTRACTS, Event
from shared_schema.ids import new_id

Schema = dict[str, Any]

PUBLISHED: Schema = {
    "title": "order.changed",
    "type": "object",
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "count": {"type": "integer", "minimum": 1},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 10}},
        "state": {"$ref": "#/$defs/State"},
        "parent": {"$ref": "#/$defs/Node"},
    },
    "required": ["id", "count", "state"],
    "$defs": {
        "State": {"type": "string", "enum": ["OPEN", "PAID"]},
        "Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "depth": {"type": "integer"}}},
    },
}


def changed(change: Callable[[Schema], None]) -> Schema:
    schema = copy.deepcopy(PUBLISHED)
    change(schema)
    return schema


def set_at(*path: Any) -> Callable[[Schema], None]:
    def change(schema: Any) -> None:
        for step in path[:-2]:
            schema = schema[step]
        schema[path[-2]] = path[-1]

    return change


def drop(*path: Any) -> Callable[[Schema], None]:
    def change(schema: Any) -> None:
        for step in path[:-1]:
            schema = schema[step]
        if isinstance(schema, list):
            schema.remove(path[-1])
        else:
            del schema[path[-1]]

    return change


HARMLESS = {
    "nothing": lambda _: None,
    "words": set_at("properties", "id", "description", "Which order."),
    "a title": set_at("title", "Order changed"),
    "a member that no reader needs": set_at("properties", "colour", {"type": "string"}),
    "a member deeper down": set_at("$defs", "Node", "properties", "weight", {"type": "number"}),
    "order of values": set_at("$defs", "State", "enum", ["PAID", "OPEN"]),
    "a definition inlined": set_at("properties", "state", {"type": "string", "enum": ["OPEN", "PAID"]}),
}

BREAKING = {
    "a member gone": (drop("properties", "note"), r"\$\.note: is gone"),
    "a member that may be missing now": (drop("required", "count"), r"\$\.count: may be missing now"),
    "a member required now": (set_at("required", ["id", "count", "state", "note"]), r"\$\.note: is required now"),
    "a new member that is required": (
        lambda schema: (
            set_at("properties", "colour", {"type": "string"})(schema),
            set_at("required", ["id", "count", "state", "colour"])(schema),
        ),
        r"\$\.colour: is new and required",
    ),
    "another type": (set_at("properties", "count", "type", "string"), r"\$\.count: type was 'integer', is 'string'"),
    "another format": (drop("properties", "id", "format"), r"\$\.id: format was 'uuid', is not said"),
    "a limit moved": (set_at("properties", "count", "minimum", 0), r"\$\.count: minimum was 1, is 0"),
    "a limit gone": (drop("properties", "count", "minimum"), r"\$\.count: minimum"),
    "a limit that is new": (set_at("properties", "count", "maximum", 9), r"\$\.count: maximum was not said, is 9"),
    "a value gone": (set_at("$defs", "State", "enum", ["OPEN"]), r"\$\.state: no longer knows \['PAID'\]"),
    "a value that is new": (set_at("$defs", "State", "enum", ["OPEN", "PAID", "LOST"]), r"\['LOST'\] is new"),
    "no null any more": (set_at("properties", "note", {"type": "string"}), r"\$\.note"),
    "an alternative more": (
        set_at("properties", "note", "anyOf", [{"type": "string"}, {"type": "null"}, {"type": "integer"}]),
        r"\$\.note \(anyOf\): had 2 alternatives, has 3",
    ),
    "an alternative changed": (
        set_at("properties", "note", "anyOf", [{"type": "integer"}, {"type": "null"}]),
        r"\$\.note \(anyOf\)\[0\]: type",
    ),
    "items changed": (set_at("properties", "tags", "items", "maxLength", 5), r"\$\.tags\[\]: maxLength"),
    "items not said": (drop("properties", "tags", "items"), r"\$\.tags: what a list holds"),
    "no other members": (set_at("additionalProperties", False), r"\$: additionalProperties"),
    "deep in a recursion": (drop("$defs", "Node", "properties", "depth"), r"\$\.parent\.depth: is gone"),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_what_gets_on_both_ways_passes(change: Callable[[Schema], None]) -> None:
    assert breaks(PUBLISHED, changed(change)) == []


@pytest.mark.parametrize(("change", "said"), BREAKING.values(), ids=BREAKING)
def test_what_breaks_is_named_with_its_place(change: Callable[[Schema], None], said: str) -> None:
    found = breaks(PUBLISHED, changed(change))
    assert any(re.search(said, line) for line in found), found


def stored() -> Iterator[tuple[str, Schema]]:
    for file in sorted(contract_documents.FOLDER.glob("*.schema.json")):
        yield file.name, json.loads(file.read_text())


def leaves(schema: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a schema that a program reads."""
    if isinstance(schema, dict):
        for word, value in schema.items():
            if word not in ("title", "description", "$schema", "default"):
                yield from leaves(value, (*path, word))
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from leaves(value, (*path, index))
    else:
        yield path


@given(st.data())
def test_no_change_of_a_stored_rule_goes_unseen(data: st.DataObject) -> None:
    """An oracle by mutation: whatever single rule of a published contract changes, something is said."""
    _, old = data.draw(st.sampled_from(list(stored())))
    new = copy.deepcopy(old)
    *steps, last = data.draw(st.sampled_from(list(leaves(old))))
    place: Any = new
    for step in steps:
        place = place[step]
    if last == "$ref":
        place[last] = "#/$defs/Other"
        new["$defs"]["Other"] = {"type": "boolean"}
    else:
        place[last] = f"not {place[last]}"
    assert breaks(old, new)


@pytest.mark.parametrize(("name", "schema"), list(stored()), ids=lambda one: one if isinstance(one, str) else "")
def test_the_code_keeps_the_stored_contract(name: str, schema: Schema) -> None:
    """A failure here is an incompatible change: make it in a new version, see `botberi.contract_documents`."""
    current = {contract_documents.file_of(one): one for one in CONTRACTS.values()}
    assert name in current
    assert breaks(schema, contract_documents.schema_of(current[name])) == []


def test_generated_documents_are_fresh() -> None:
    for name, text in contract_documents.documents().items():
        file = contract_documents.FOLDER / name
        assert file.is_file(), f"{name} is missing: run python -m botberi.contract_documents"
        assert file.read_text() == text, f"{name} is stale: run python -m botberi.contract_documents"
    assert {file.name for file in contract_documents.FOLDER.iterdir()} == set(contract_documents.documents())


def test_a_broken_promise_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(contract_documents, "FOLDER", tmp_path)
    assert contract_documents.main() == 0
    file = tmp_path / "instance.updated.v1.schema.json"
    promised = json.loads(file.read_text())
    promised["properties"]["data"]["properties"]["mood"] = {"type": "string"}
    file.write_text(json.dumps(promised))
    (tmp_path / "instance.burned.v1.schema.json").write_text("{}")
    assert contract_documents.main() == 1
    errors = capsys.readouterr().err
    assert "instance.updated.v1.schema.json: $.data.mood: is gone" in errors
    assert "instance.burned.v1.schema.json: no contract" in errors
    assert json.loads(file.read_text()) == promised


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=lambda one: one.topic)
def test_messages_are_what_their_schema_says(contract: Any) -> None:
    values = {"owner_id": new_id(), "agent_id": new_id(), "terminal": True, "log_from": 3, "log_to": 5}
    values |= {"source": "catalog", "action": "agent.publish", "outcome": "SUCCESS"}
    for status in ("RUNNING", "ACTIVE", "REVOKED", "DRAFT"):
        try:
            data = contract.data(id=new_id(), version=3, status=status, **values)
        except ValueError:
            continue
        event = Event(
            id=new_id(),
            source=f"botberi/{contract.database}",
            type=contract.topic,
            subject=data.id,
            actor="test",
            data=data,
        )
        message = json.loads(event.to_json())
        jsonschema.validate(message, contract_documents.schema_of(contract))
        message["data"]["version"] = 0
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(message, contract_documents.schema_of(contract))
        return
    raise AssertionError("no status fits")
