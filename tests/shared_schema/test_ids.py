"""Ids: ordered, opaque, and one spelling each."""

import base64
import threading
import time
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_schema import ids
from shared_schema.ids import InvalidGlobalId, from_global_id, new_id, split_global_id, to_global_id


def test_new_ids_are_version_7_unique_and_in_order() -> None:
    before = time.time_ns() // 1_000_000
    made = [new_id() for _ in range(20_000)]
    after = time.time_ns() // 1_000_000
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {(each.version, each.variant) for each in made} == {(7, "specified in RFC 4122")}
    assert before <= made[0].int >> 80 <= after


def test_ids_of_several_threads_are_unique() -> None:
    made: list[UUID] = []
    threads = [threading.Thread(target=lambda: made.extend(new_id() for _ in range(5000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 20_000


def test_a_clock_that_steps_back_makes_no_smaller_id(monkeypatch: pytest.MonkeyPatch) -> None:
    first = new_id()
    monkeypatch.setattr(ids.time, "time_ns", lambda: 0)
    assert new_id() > first


@given(st.from_regex(r"[A-Z][A-Za-z0-9]{0,63}", fullmatch=True), st.uuids())
def test_global_ids_come_back(type_name: str, row_id: UUID) -> None:
    text = to_global_id(type_name, row_id)
    assert from_global_id(type_name, text) == row_id
    assert split_global_id(text) == (type_name, row_id)
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


ROW = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
WRONG = {
    "empty": "",
    "not base64": "$$$$",
    "another type's": to_global_id("Agent", ROW),
    "padded": to_global_id("Instance", ROW) + "==",
    "with a newline": to_global_id("Instance", ROW) + "\n",
    "no type": encoded(f":{ROW}"),
    "no uuid": encoded("Instance:"),
    "not a uuid": encoded("Instance:123"),
    "upper case": encoded(f"Instance:{str(ROW).upper()}"),
    "braces": encoded(f"Instance:{{{ROW}}}"),
    "no hyphens": encoded(f"Instance:{ROW.hex}"),
    "more behind": encoded(f"Instance:{ROW}x"),
    "a plain uuid": str(ROW),
    "too long": "A" * 10_000,
    "not utf-8": base64.urlsafe_b64encode(b"\xff\xfe:x").decode(),
    "not ascii": "Ä" * 10,
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidGlobalId) as caught:
        from_global_id("Instance", text)
    assert str(caught.value) == "not a valid id of type Instance"


@given(st.text(max_size=200))
def test_no_text_does_worse_than_being_refused(text: str) -> None:
    try:
        type_name, row_id = split_global_id(text)
    except InvalidGlobalId:
        return
    assert to_global_id(type_name, row_id) == text


@pytest.mark.parametrize("type_name", ["", "instance", "In:stance", "I" * 65, "Instance\n"])
def test_type_names_are_checked(type_name: str) -> None:
    with pytest.raises(ValueError, match="not a type name"):
        to_global_id(type_name, uuid4())
