"""Encoded requests -> answers through aiohttp: for `https://`, where a maintained client matters more than speed."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from functools import partial

import aiohttp

from botberi_gateway import errors
from botberi_gateway.config import SubgraphConfig
from botberi_gateway.errors import ConnectionFailed, SubgraphError
from botberi_gateway.plan import OperationKind
from botberi_gateway.upstream.answer import ACCEPT, invalid, read_answer, request_headers
from botberi_gateway.upstream.body import BodyError, BodyReader, packed
from botberi_gateway.upstream.gate import Gate
from botberi_gateway.upstream.port import Answer, StreamedForm, SubgraphResponse, TaskAnswer, takes_long
from botberi_gateway.upstream.tls import tls_context

logger = logging.getLogger(__name__)


class LibraryTransport:
    """Follows no redirects, keeps no cookies, uses no proxy from the environment."""

    def __init__(self, name: str, url: str, options: SubgraphConfig) -> None:
        self.name = name
        self._url = url
        self._options = options
        self._gate = Gate(name, options.max_connections, options.max_waiting)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    def start(
        self, body: bytes, kind: OperationKind, headers: Mapping[str, str], timeout: float
    ) -> asyncio.Future[SubgraphResponse]:
        """See `EncodedClient.start`."""
        seconds = min(timeout, self._options.timeout_seconds)
        return TaskAnswer.of(lambda call: self._send(call, body, kind, headers, seconds))

    def start_form(
        self, form: StreamedForm, headers: Mapping[str, str], timeout: float
    ) -> asyncio.Future[SubgraphResponse]:
        """Begin a request with files, which is sent once."""
        seconds = min(timeout, self._options.timeout_seconds)
        return TaskAnswer.of(lambda call: self._send_form(call, form, headers, seconds))

    async def _send_form(
        self, call: Answer, form: StreamedForm, own_headers: Mapping[str, str], seconds: float
    ) -> SubgraphResponse:
        headers = request_headers(self.name, self._options.headers, own_headers)
        headers |= {"content-type": form.content_type, "content-length": str(form.size)}
        headers |= {"accept": ACCEPT, "accept-encoding": "gzip, deflate"}
        try:
            async with asyncio.timeout(seconds), self._gate.enter():
                return await self._post(call, form.chunks(), headers)
        except TimeoutError as error:
            raise self._failed("did not answer in time", errors.SUBGRAPH_TIMEOUT) from error

    async def _send(
        self, call: Answer, body: bytes, kind: OperationKind, own_headers: Mapping[str, str], seconds: float
    ) -> SubgraphResponse:
        headers = request_headers(self.name, self._options.headers, own_headers)
        headers |= {"content-type": "application/json", "accept": ACCEPT, "accept-encoding": "gzip, deflate"}
        if self._options.compress_requests and len(body) >= self._options.compress_from_bytes:
            body = packed(body)
            headers["content-encoding"] = "gzip"
        try:
            async with asyncio.timeout(seconds), self._gate.enter():
                try:
                    return await self._post(call, body, headers)
                except _ConnectionLost:
                    if kind != "query":
                        raise
                    logger.info("subgraph %s: connection lost before an answer, sending the query again", self.name)
                    return await self._post(call, body, headers)
        except TimeoutError as error:
            raise self._failed("did not answer in time", errors.SUBGRAPH_TIMEOUT) from error

    async def _post(
        self, call: Answer, body: bytes | AsyncIterator[bytes], headers: Mapping[str, str]
    ) -> SubgraphResponse:
        try:
            response = await self.session().post(
                self._url,
                data=body,
                headers=headers,
                allow_redirects=False,
                server_hostname=self._options.tls.server_name,
            )
        except aiohttp.ClientConnectorError as error:
            raise self._unconnected("can't be reached", errors.SUBGRAPH_UNREACHABLE, error) from error
        except aiohttp.ServerTimeoutError as error:
            raise self._unconnected("can't be reached in time", errors.SUBGRAPH_TIMEOUT, error) from error
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            logger.debug("subgraph %s: %s", self.name, type(error).__name__)
            raise _ConnectionLost(self.name, f"Subgraph {self.name!r} closed the connection.") from error
        except (aiohttp.ClientError, ValueError) as error:
            # Not the error itself: its text holds the request's headers, credentials among them.
            logger.warning("subgraph %s: %s", self.name, getattr(error, "message", type(error).__name__))
            raise invalid(self.name, "something that is not HTTP") from error
        try:
            return await self._read(call, response)
        except BodyError as error:
            raise invalid(self.name, str(error)) from error
        except aiohttp.ClientError as error:
            raise self._failed("closed the connection within an answer", errors.SUBGRAPH_UNREACHABLE, error) from error
        finally:
            # Read to its end the connection is back in the pool; else it is closed here.
            response.close()

    async def _read(self, call: Answer, response: aiohttp.ClientResponse) -> SubgraphResponse:
        reader = BodyReader(response.headers.get("content-encoding"), self._options.max_response_bytes)
        reader.expect(response.content_length)
        async for chunk in response.content.iter_any():
            reader.feed(chunk)
        headers = [(name.lower(), value) for name, value in response.headers.items()]
        text = reader.finish()
        if call.spending is not None:
            call.spending.take_bytes(len(text))
        read = partial(read_answer, self.name, response.status, response.headers.get("content-type"), text, headers)
        return await asyncio.to_thread(read) if takes_long(text) else read()

    def _unconnected(self, what: str, code: str, cause: Exception) -> SubgraphError:
        logger.debug("subgraph %s: %s", self.name, type(cause).__name__)
        return ConnectionFailed(self.name, f"Subgraph {self.name!r} {what}.", code=code)

    def _failed(self, what: str, code: str, cause: Exception | None = None) -> SubgraphError:
        if cause is not None:
            logger.debug("subgraph %s: %s", self.name, type(cause).__name__)
        return SubgraphError(self.name, f"Subgraph {self.name!r} {what}.", code=code)

    def session(self) -> aiohttp.ClientSession:
        """The session, which is opened when it is first asked for. Raises `SubgraphError` when it is closed."""
        if self._closed:
            raise self._failed("is not in use any more", errors.SUBGRAPH_UNREACHABLE)
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._connector(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._options.connect_timeout_seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent",),
                auto_decompress=False,
                trust_env=False,
                max_line_size=self._options.max_header_bytes,
                max_field_size=self._options.max_header_bytes,
            )
        return self._session

    def _connector(self) -> aiohttp.BaseConnector:
        options = self._options
        limit, keep_alive = options.max_connections, options.keep_alive_seconds
        if options.socket_path is not None:
            return aiohttp.UnixConnector(str(options.socket_path), limit=limit, keepalive_timeout=keep_alive)
        return aiohttp.TCPConnector(limit=limit, keepalive_timeout=keep_alive, ssl=tls_context(options.tls))

    async def aclose(self) -> None:
        """Close the pool; requests that are under way fail."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None


class _ConnectionLost(SubgraphError):
    """The connection was closed before any part of an answer came."""

    code = errors.SUBGRAPH_UNREACHABLE
