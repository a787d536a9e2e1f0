"""Where the oracle lets a deferred value spoil what comes at once, and where it doesn't."""

from typing import Any

import pytest

from lab.fuzzing.riding import choices, ridden

#: A list of values, of which the second one's deferred field fails; it isn't deferred in the other truth.
TRUTH = {"items": [{"a": 1, "b": 2}, {"a": 1}], "more": {"c": 3}}
AT_ONCE = {"items": [{"a": 1, "b": 2}, None], "more": {"c": 3}}
PLACE = ("items", 1)


def test_the_value_is_lost_as_in_the_other_truth() -> None:
    found = ridden(AT_ONCE, TRUTH, [AT_ONCE], [PLACE])
    assert found is not None
    assert found.nulls == {PLACE}
    assert found.covers(("items", 1, "b"))
    assert not found.covers(("items", 0, "b"))


def test_a_null_above_one_in_the_other_truth_may_be_smaller() -> None:
    assert ridden(AT_ONCE, TRUTH, [{"items": None, "more": {"c": 3}}], [PLACE]) is not None


def test_fields_of_a_fragment_around_are_lost_too() -> None:
    found = ridden({"more": {"c": 3}}, TRUTH, [{"more": {"c": 3}}], [PLACE])
    assert found is not None
    assert found.absent == {("items",)}


@pytest.mark.parametrize(
    ("got", "others", "places"),
    [
        pytest.param(AT_ONCE, [AT_ONCE], [], id="no fragment without a key failed"),
        pytest.param(AT_ONCE, [AT_ONCE], [("items", 0)], id="another one failed"),
        pytest.param(AT_ONCE, [TRUTH], [PLACE], id="nothing is lost if it isn't deferred"),
        pytest.param(TRUTH | {"items": None}, [AT_ONCE], [PLACE], id="more is lost than if it weren't deferred"),
        pytest.param(AT_ONCE | {"more": {"c": 4}}, [AT_ONCE], [PLACE], id="something else is wrong as well"),
        pytest.param(AT_ONCE | {"more": {}}, [AT_ONCE], [PLACE], id="something else is absent"),
        pytest.param(AT_ONCE | {"extra": 1}, [AT_ONCE], [PLACE], id="something is there that shouldn't be"),
        pytest.param(TRUTH | {"items": [None]}, [AT_ONCE], [PLACE], id="a list is shorter"),
    ],
)
def test_other_differences_stay_differences(got: Any, others: list[Any], places: list[tuple[str | int, ...]]) -> None:
    assert ridden(got, TRUTH, others, places) is None


def test_each_choice_of_fragments_is_tried() -> None:
    assert choices(2) == [{0}, {1}, {0, 1}]
    assert choices(9) == [set(range(9))]
