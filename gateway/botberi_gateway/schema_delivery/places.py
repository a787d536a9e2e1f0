"""The places where an SDL can be: a text, a file, a URL, an object of a bucket, a subgraph that is asked for it."""

import asyncio
import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit, urlunsplit

from botberi_gateway.engine import fetch_sdl
from botberi_gateway.errors import GatewayError
from botberi_gateway.upstream.port import SubgraphClient

#: Codes of places that can't be read, beside those of subgraphs.
UNREADABLE: Final = "SCHEMA_UNREADABLE"
UNREACHABLE: Final = "SCHEMA_UNREACHABLE"


class SchemaUnavailable(Exception):
    """An SDL that can't be had now; the message names the place and the cause."""

    def __init__(self, message: str, code: str = UNREACHABLE) -> None:
        super().__init__(message)
        self.code = code


class Place(Protocol):
    """Where one SDL is."""

    #: Whether looking at it costs next to nothing and reaches no other machine.
    is_local: bool

    async def read(self) -> str:
        """The SDL as it is now. Raises `SchemaUnavailable`."""


class TextPlace:
    """An SDL that stands in the configuration."""

    is_local = True

    def __init__(self, text: str) -> None:
        self._text = text

    async def read(self) -> str:
        """Implements `Place`."""
        return self._text


class FilePlace:
    """A file, which is read again only when its size, time or inode has changed."""

    is_local = True

    def __init__(self, file: Path, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._seen: tuple[int, int, int] | None = None
        self._text = ""

    async def read(self) -> str:
        """Implements `Place`."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> str:
        try:
            status = self._file.stat()
            seen = status.st_ino, status.st_size, status.st_mtime_ns
            if seen != self._seen:
                if status.st_size > self._max_bytes:
                    raise SchemaUnavailable(f"{self._file} is larger than {self._max_bytes} bytes.", UNREADABLE)
                self._text = self._file.read_text("utf-8")
                self._seen = seen
        except OSError as error:
            raise SchemaUnavailable(f"{self._file} can't be read: {error.strerror}.", UNREADABLE) from None
        except UnicodeDecodeError:
            raise SchemaUnavailable(f"{self._file} is not UTF-8 text.", UNREADABLE) from None
        return self._text


class UrlPlace:
    """A URL that answers GET with the SDL. What it answered is asked for again with `If-None-Match`."""

    is_local = False

    def __init__(self, url: str, headers: Mapping[str, str], max_bytes: int, timeout_seconds: float) -> None:
        self._url = url
        self._shown = shown_url(url)
        self._headers = dict(headers)
        self._max_bytes = max_bytes
        self._timeout = timeout_seconds
        self._known: dict[str, str] = {}
        self._text = ""

    async def read(self) -> str:
        """Implements `Place`. No redirect is followed: it would carry the headers to another host."""
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=self._timeout)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self._url, headers={**self._headers, **self._known}, allow_redirects=False) as response,
            ):
                if response.status == 304 and self._known:
                    return self._text
                if response.status != 200:
                    raise SchemaUnavailable(f"{self._shown} answers with status {response.status}.")
                body = bytearray()
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > self._max_bytes:
                        raise SchemaUnavailable(f"{self._shown} answers more than {self._max_bytes} bytes.")
                text = body.decode("utf-8")
                validators = (("If-None-Match", "etag"), ("If-Modified-Since", "last-modified"))
                self._known = {name: response.headers[given] for name, given in validators if given in response.headers}
        except UnicodeDecodeError:
            raise SchemaUnavailable(f"{self._shown} answers what is not UTF-8 text.") from None
        except TimeoutError:
            raise SchemaUnavailable(f"{self._shown} did not answer within {self._timeout:g} s.") from None
        except (aiohttp.ClientError, ValueError) as error:
            raise SchemaUnavailable(f"{self._shown} can't be read: {error or type(error).__name__}.") from None
        self._text = text
        return text


class BucketPlace:
    """An object of an S3-compatible bucket, `s3://bucket/key`. Needs the extra `s3` (obstore).

    Credentials, region and endpoint are those of the environment (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, …).
    """

    is_local = False

    def __init__(self, url: str, max_bytes: int, timeout_seconds: float) -> None:
        self._url = url
        self._max_bytes = max_bytes
        self._timeout = timeout_seconds
        bucket, _, self._key = url.removeprefix("s3://").partition("/")
        self._bucket = f"s3://{bucket}"
        self._store: Any = None
        self._etag: str | None = None
        self._text = ""

    async def read(self) -> str:
        """Implements `Place`."""
        try:
            import obstore
            from obstore.store import from_url
        except ImportError:
            raise SchemaUnavailable(
                f"{self._url} needs the package obstore: install botberi-gateway[s3].", UNREADABLE
            ) from None
        try:
            if self._store is None:
                # obstore reads the other variables itself.
                plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("true", "1")
                how: Any = {"timeout": timedelta(seconds=self._timeout), "allow_http": plain}
                self._store = from_url(self._bucket, client_options=how, retry_config=_NO_RETRY)
            known: Any = {} if self._etag is None else {"if_none_match": self._etag}
            async with asyncio.timeout(self._timeout):
                answer = await obstore.get_async(self._store, self._key, options=known)
                if answer.meta["size"] > self._max_bytes:
                    raise SchemaUnavailable(f"{self._url} is larger than {self._max_bytes} bytes.")
                body = bytes(await answer.bytes_async())
            text, self._etag = body.decode("utf-8"), answer.meta["e_tag"]
        except obstore.exceptions.NotModifiedError:
            return self._text
        except UnicodeDecodeError:
            raise SchemaUnavailable(f"{self._url} is not UTF-8 text.") from None
        except TimeoutError:
            raise SchemaUnavailable(f"{self._url} did not answer within {self._timeout:g} s.") from None
        except (obstore.exceptions.BaseError, OSError, ValueError) as error:
            raise SchemaUnavailable(f"{self._url} can't be read: {_first_line(error)}") from None
        self._text = text
        return text


_NO_RETRY: Final[Any] = {"max_retries": 0}


class SubgraphPlace:
    """A running subgraph, which is asked for `_service { sdl }`."""

    is_local = False

    def __init__(
        self,
        name: str,
        place: str,
        connect: Callable[[], SubgraphClient],
        headers: Mapping[str, str],
        timeout_seconds: float,
    ) -> None:
        self._name = name
        self._place = place
        self._connect = connect
        self._headers = headers
        self._timeout = timeout_seconds

    async def read(self) -> str:
        """Implements `Place`. A new client asks: a dead pool of connections can't hide a live subgraph."""
        client = self._connect()
        try:
            return await fetch_sdl(self._name, client, self._timeout, self._headers)
        except GatewayError as error:
            reason = reason_of(error)
            message = f"subgraph {self._name!r} at {self._place} gave no SDL: {reason}"
            raise SchemaUnavailable(message, error.code) from None
        finally:
            await client.aclose()


def shown_url(url: str) -> str:
    """The URL as it may stand in a log: without a password, and without a query, which may have a token."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "…" if parts.query else "", ""))


def reason_of(error: GatewayError) -> str:
    """The message and its cause in the operating system's words; only who operates the gateway reads them."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    detail = str(cause) or type(cause).__name__
    return error.message if cause is error or detail in error.message else f"{error.message} ({detail})"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
