"""Which requests are equal for `--share-queries`: those of the same asker."""

from typing import Any

import pytest

from botberi_gateway.transport.sharing import asker


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"cookie": "a=1"}, {"cookie": "a=2"}, False),
        ({"authorization": "x"}, {}, False),
        ({"x-api-key": "x"}, {"x-api-key": "y"}, False),
        ({"accept-language": "de"}, {"accept-language": "fr"}, False),
        ({"x-request-id": "1", "content-length": "7"}, {"traceparent": "2"}, True),
    ],
)
def test_who_is_the_same_asker(one: Any, other: Any, same: bool) -> None:
    assert (asker(one) == asker(other)) is same
