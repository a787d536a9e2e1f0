"""Sources of the gateway's public keys: a mapping, a file or a URL -> the key with a given kid."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import orjson
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from subgraphs.common.errors import Unavailable

logger = logging.getLogger(__name__)

# An unknown kid may be a rotated key or noise; this bounds how often noise makes us look again.
MINIMUM_REFRESH_SECONDS = 1.0
MAXIMUM_JWKS_BYTES = 64 * 1024
MAXIMUM_KEYS = 32

Jwks = Mapping[str, Any]


class KeySource(Protocol):
    """Gives the verification key for a kid, or None when there is none."""

    async def key(self, kid: str) -> OKPKey | None:
        """The Ed25519 public key named `kid`."""
        ...


def ed25519_keys(jwks: Jwks) -> dict[str, OKPKey]:
    """The usable keys of a JWKS by kid; other kinds of key are left out."""
    entries = jwks.get("keys")
    if not isinstance(entries, list):
        raise ValueError('a JWKS is an object with a list under "keys"')
    keys: dict[str, OKPKey] = {}
    for entry in entries[:MAXIMUM_KEYS]:
        if not isinstance(entry, dict) or entry.get("kty") != "OKP" or entry.get("crv") != "Ed25519":
            continue
        # A key is asked for by its name alone: one that has none, or another one's, could only be guessed at.
        kid = entry.get("kid")
        if not isinstance(kid, str) or not kid:
            continue
        try:
            # Public members only: a private key that strays into a JWKS never reaches memory here.
            key = OKPKey.import_key({k: entry[k] for k in ("kty", "crv", "x", "kid") if k in entry})
        except (JoseError, ValueError, TypeError) as problem:
            raise ValueError(f"a key of the JWKS cannot be read: {problem}") from problem
        if kid in keys:
            raise ValueError(f"two keys of the JWKS have the kid {kid[:100]!r}")
        keys[kid] = key
    return keys


class RefreshingKeys:
    """Keys that `fetch` brings, kept, and brought again for a kid that is not among them or when they age."""

    def __init__(self, fetch: Callable[[], Awaitable[Jwks]], *, maximum_age: float, name: str) -> None:
        self._fetch = fetch
        self._maximum_age = maximum_age
        self._name = name
        self._keys: dict[str, OKPKey] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, kid: str) -> OKPKey | None:
        """The key named `kid`, from a new fetch where the kept ones don't do."""
        now = time.monotonic()
        if kid not in self._keys or now - self._fetched_at > self._maximum_age:
            await self._refresh()
        return self._keys.get(kid)

    async def _refresh(self) -> None:
        task = self._fetching
        if task is None:
            if time.monotonic() - self._tried_at < MINIMUM_REFRESH_SECONDS:
                return
            task = self._fetching = asyncio.create_task(self._fetched(), name="fetch-keys")
        # The fetch serves every request that needs it: one that is cancelled must not end it for the others.
        await asyncio.wait({task})
        if (problem := task.exception()) is not None:
            raise problem.with_traceback(None)

    async def _fetched(self) -> None:
        now = self._tried_at = time.monotonic()
        try:
            self._keys = ed25519_keys(await self._fetch())
            self._fetched_at = now
        except (OSError, ValueError, TimeoutError, aiohttp.ClientError) as problem:
            logger.error("The gateway's public keys cannot be read from %s: %r", self._name, problem)
            if not self._keys:
                raise Unavailable("The keys that prove who calls cannot be read.") from problem
        finally:
            self._fetching = None


def mapping_keys(jwks: Jwks | Callable[[], Jwks]) -> KeySource:
    """Keys held in memory; a callable is asked again for a kid that is new, so it may rotate."""

    async def fetch() -> Jwks:
        return jwks() if callable(jwks) else jwks

    return RefreshingKeys(fetch, maximum_age=float("inf") if not callable(jwks) else 5.0, name="memory")


def file_keys(path: Path) -> KeySource:
    """Keys of a JWKS file, read again when a kid is new and each minute."""

    async def fetch() -> Jwks:
        return _parse(await asyncio.to_thread(path.read_bytes))

    return RefreshingKeys(fetch, maximum_age=60.0, name=str(path))


def url_keys(url: str, *, timeout_seconds: float = 5.0) -> KeySource:
    """Keys that an HTTP server publishes, fetched again when a kid is new and every minute."""

    async def fetch() -> Jwks:
        timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise ValueError(f"HTTP {response.status}")
            return _parse(await response.content.read(MAXIMUM_JWKS_BYTES + 1))

    return RefreshingKeys(fetch, maximum_age=60.0, name=url)


def _parse(body: bytes) -> Jwks:
    if len(body) > MAXIMUM_JWKS_BYTES:
        raise ValueError(f"the JWKS is larger than {MAXIMUM_JWKS_BYTES} bytes")
    value = orjson.loads(body)
    if not isinstance(value, dict):
        raise ValueError("a JWKS is a JSON object")
    return value
