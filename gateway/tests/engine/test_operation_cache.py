"""Which operations stay ready when more come than are kept."""

from collections import OrderedDict
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from botberi_gateway.engine.operation_cache import OperationCache


@dataclass(frozen=True)
class Item:
    """As large as it says."""

    size: int = 1

    def estimate_bytes(self) -> int:
        return self.size


def cache_of(max_items: int, max_bytes: int = 1_000_000) -> OperationCache[str, Item]:
    return OperationCache(max_items, max_bytes)


def ask(cache: OperationCache[str, Item], key: str) -> bool:
    """Ask as a request does; whether the operation was ready."""
    if cache.get(key) is not None:
        return True
    cache.keep(key, Item())
    return False


def test_a_stream_of_operations_that_come_once_takes_an_eighth_and_leaves_the_rest_alone() -> None:
    cache = cache_of(800)
    for _ in range(2):
        for number in range(600):
            ask(cache, f"again {number}")
    for number in range(10_000):
        assert not ask(cache, f"once {number}")
    assert len(cache) == 700
    assert all(ask(cache, f"again {number}") for number in range(600))


def test_an_operation_that_comes_again_after_it_made_room_is_kept_from_then_on() -> None:
    cache = cache_of(800)
    for number in range(500):
        ask(cache, f"{number}")
    assert not ask(cache, "0")
    for number in range(10_000):
        ask(cache, f"once {number}")
    assert ask(cache, "0")


def test_operations_that_come_in_turns_are_all_ready_from_the_third_turn_on() -> None:
    cache = cache_of(800)
    turns = [sum(ask(cache, f"{number}") for number in range(700)) for _ in range(4)]
    assert turns == [0, 100, 700, 700], "the hundred that came last were still ready"


def test_of_those_that_come_again_the_one_used_longest_ago_makes_room() -> None:
    cache = cache_of(100)
    for number in range(100):
        ask(cache, f"{number}")
        ask(cache, f"{number}")
    assert ask(cache, "0")
    ask(cache, "another")
    assert "0" in cache
    assert "1" not in cache


def test_a_small_cache_is_filled_by_operations_that_come_once() -> None:
    cache = cache_of(5)
    for number in range(20):
        ask(cache, f"{number}")
    assert len(cache) == 5


def test_bytes_make_room_as_numbers_do() -> None:
    cache = OperationCache[str, Item](1_000, 16_000_000)
    for number in range(100):
        cache.keep(f"{number}", Item(600_000))
    assert (len(cache), cache.bytes) == (3, 1_800_000)
    for number in range(100):
        cache.keep(f"again {number}", Item(600_000))
        cache.get(f"again {number}")
    assert len(cache) == 26
    for _ in range(2):
        cache.keep("larger than all", Item(16_000_001))
        assert "larger than all" not in cache
        assert len(cache) == 26


@given(
    st.integers(1, 40), st.integers(1, 400), st.lists(st.tuples(st.integers(0, 60), st.integers(1, 50)), max_size=300)
)
def test_no_order_of_requests_goes_beyond_the_limits(
    max_items: int, max_bytes: int, requests: list[tuple[int, int]]
) -> None:
    cache = OperationCache[int, Item](max_items, max_bytes)
    model: OrderedDict[int, Item] = OrderedDict()
    for key, size in requests:
        item = cache.get(key)
        assert item is None or item is model[key]
        if item is None:
            model[key] = Item(size)
            cache.keep(key, model[key])
        assert len(cache) <= max_items
        assert cache.bytes <= max_bytes
        assert cache.bytes == sum(model[kept].size for kept in model if kept in cache)


class Growing:
    """An item whose size changes."""

    size = 100

    def estimate_bytes(self) -> int:
        return self.size


def test_an_item_that_has_grown_is_weighed_again_and_others_make_room() -> None:
    cache = OperationCache[str, Growing](1_000, 2_000_000)
    items = {f"{number}": Growing() for number in range(10)}
    for key, item in items.items():
        cache.keep(key, item)
        cache.get(key)
    cache.get("3")
    items["3"].size = 1_999_500
    cache.weigh("3")
    assert cache.bytes == 1_999_500 + 5 * 100
    assert "3" in cache
    assert "0" not in cache
    items["3"].size = 3_000_000
    cache.weigh("3")
    assert "3" not in cache
    assert cache.bytes == 500
    cache.weigh("unknown")
