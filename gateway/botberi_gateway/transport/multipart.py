"""A subscription -> parts of one response (`multipart/mixed; subscriptionSpec=1.0`, as Apollo's clients read it)."""

from collections.abc import Sequence
from typing import Final

from botberi_gateway.codec import encode
from botberi_gateway.executor import ExecutionResult
from botberi_gateway.transport.problem import Failure
from botberi_gateway.transport.streaming import Encoded

_PART: Final = b"content-type: application/json; charset=utf-8\r\n\r\n"
#: Right behind a part, so that clients need not wait for the next one to know that it is whole.
_MORE: Final = b"\r\n--graphql\r\n"
_END: Final = b"\r\n--graphql--\r\n"


class PartFrames:
    """Writes each result as `payload` of a part. The reason why a stream ends stands beside `payload`, in `errors`."""

    headers: Sequence[tuple[bytes, bytes]] = (
        (b"content-type", b'multipart/mixed; boundary="graphql"; subscriptionSpec=1.0'),
    )
    opening = _MORE
    keep_alive = _PART + b"{}" + _MORE
    complete = _END

    def next(self, result: ExecutionResult | Encoded) -> bytes:
        """One part."""
        return _PART + b'{"payload":' + result.to_bytes() + b"}" + _MORE

    def failure(self, failure: Failure) -> bytes:
        """The last part."""
        return _PART + encode({"payload": None, "errors": failure.to_json()}) + _END
