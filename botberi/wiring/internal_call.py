"""A JSON request to a service's own endpoint, in this process or over HTTP -> status and JSON."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import aiohttp
from starlette.types import ASGIApp
from yarl import URL

from botberi.wiring.assertion import AssertionSigner
from botberi_gateway.upstream.asgi_call import AsgiCall, http_scope
from botberi_gateway.upstream.body import BodyError

_TIMEOUT: Final = 5.0
_LARGEST_ANSWER: Final = 64 * 1024


class InternalCallError(Exception):
    """The service gave no usable answer."""


class InternalCall(Protocol):
    """Requests to one service, however it is reached."""

    async def post(self, path: str, body: object, headers: Mapping[str, str]) -> tuple[int, Any]:
        """Status and parsed JSON (None when there is none). Raises `InternalCallError`."""
        ...

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and parsed JSON of a GET. Raises `InternalCallError`."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...


@dataclass(frozen=True, slots=True)
class LocalCall:
    """To an ASGI app in this process."""

    app: ASGIApp

    async def post(self, path: str, body: object, headers: Mapping[str, str]) -> tuple[int, Any]:
        """Implements `InternalCall`."""
        return await self._call("POST", path, json.dumps(body).encode(), headers)

    async def get(self, path: str) -> tuple[int, Any]:
        """Implements `InternalCall`."""
        return await self._call("GET", path, b"", {})

    async def _call(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Any]:
        call = AsgiCall(body, _LARGEST_ANSWER)
        scope = http_scope(method, path, {"content-type": "application/json", **headers}, "internal")
        try:
            async with asyncio.timeout(_TIMEOUT):
                await self.app(scope, call.receive, call.send)
        except TimeoutError:
            raise InternalCallError(f"{path} did not answer within {_TIMEOUT:.0f} s") from None
        except BodyError as error:
            raise InternalCallError(f"{path} answered {error}") from None
        if not call.complete.is_set():
            raise InternalCallError(f"{path} gave no answer")
        return call.status, _parsed(path, bytes(call.body()))

    async def aclose(self) -> None:
        """Nothing is open."""


class HttpCall:
    """To a service of its own, over one keep-alive pool; the claims among a request's headers are signed for it."""

    def __init__(self, base_url: str, signer: AssertionSigner) -> None:
        self._base_url = base_url.rstrip("/")
        self._signer = signer
        self._session: aiohttp.ClientSession | None = None

    async def post(self, path: str, body: object, headers: Mapping[str, str]) -> tuple[int, Any]:
        """Implements `InternalCall`."""
        content = json.dumps(body).encode()
        target = URL(self._base_url + path).raw_path_qs
        signed = self._signer.signed(headers, "POST", target, content, once=True)
        return await self._call("POST", path, data=content, headers={**signed, "content-type": "application/json"})

    async def get(self, path: str) -> tuple[int, Any]:
        """Implements `InternalCall`."""
        return await self._call("GET", path)

    async def _call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT, connect=1.0),
                connector=aiohttp.TCPConnector(limit=32),
            )
        try:
            async with self._session.request(
                method, self._base_url + path, allow_redirects=False, **options
            ) as response:
                return response.status, _parsed(path, await _bounded(response))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise InternalCallError(f"{path}: {type(error).__name__} {error}") from error

    async def aclose(self) -> None:
        """Close the pool."""
        if self._session is not None:
            await self._session.close()


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    text = bytearray()
    async for chunk in response.content.iter_any():
        text.extend(chunk)
        if len(text) > _LARGEST_ANSWER:
            raise InternalCallError(f"the answer is larger than {_LARGEST_ANSWER} bytes")
    return bytes(text)


def _parsed(path: str, text: bytes) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        raise InternalCallError(f"{path} answered something that is not JSON") from None
