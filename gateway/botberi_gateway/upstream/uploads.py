"""Files of a client's request -> the requests to the subgraphs whose variables have them.

The transport puts a token into the variables in the place of each file. A request to a subgraph in which a token stands
is sent as `multipart/form-data` (the GraphQL multipart request specification), and the file is streamed.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar
from typing import Any, Final

from botberi_gateway import errors
from botberi_gateway.codec import decode, encode
from botberi_gateway.errors import SubgraphError
from botberi_gateway.plan import OperationKind
from botberi_gateway.upstream.answer import request_body
from botberi_gateway.upstream.http import HttpClient
from botberi_gateway.upstream.port import CountedAnswer, SubgraphClient, SubgraphRequest, SubgraphResponse

#: Bytes of a file that are kept in memory; longer files are on disk.
_MAX_BYTES_IN_MEMORY: Final = 256 * 1024
_CHUNK_BYTES: Final = 64 * 1024
_BOUNDARY: Final = "botberi-7d1f0c5e9a3b4862"


class Upload:
    """One file of a client's request."""

    def __init__(self, name: str, content_type: str) -> None:
        """`name` is what the client calls the file."""
        self.name, self.content_type = name, content_type
        self.size = 0
        self._file = tempfile.SpooledTemporaryFile(_MAX_BYTES_IN_MEMORY)  # noqa: SIM115 - `close` closes it
        self._lock = asyncio.Lock()

    async def write(self, data: bytes) -> None:
        """Append a piece."""
        in_memory = self.size + len(data) <= _MAX_BYTES_IN_MEMORY
        self.size += len(data)
        if in_memory:
            self._file.write(data)
        else:
            await asyncio.to_thread(self._file.write, data)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The content, piece by piece; several may read at the same time."""
        position = 0
        while position < self.size:
            async with self._lock:
                chunk = await asyncio.to_thread(self._read, position)
            position += len(chunk)
            yield chunk

    def _read(self, position: int) -> bytes:
        self._file.seek(position)
        return self._file.read(_CHUNK_BYTES)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()


#: Token -> file, of the request that is being answered.
UPLOADS: ContextVar[Mapping[str, Upload] | None] = ContextVar("uploads", default=None)


class Form:
    """The body of a request with files."""

    content_type: Final = f"multipart/form-data; boundary={_BOUNDARY}"

    def __init__(self, body: bytes, tokens: Mapping[str, Upload]) -> None:
        """`body` is the JSON of the request, in which the tokens stand."""
        parsed = decode(body)
        places: dict[str, list[str]] = {token: [] for token in tokens}
        parsed["variables"] = _without(parsed.get("variables"), "variables", places)
        self._files = [(tokens[token], paths) for token, paths in places.items() if paths]
        self._operations = encode(parsed)
        self._map = encode({str(number): paths for number, (_, paths) in enumerate(self._files)})

    def _heads(self) -> list[bytes]:
        fields = b"".join(
            b'--%b\r\ncontent-disposition: form-data; name="%b"\r\n'
            b"content-type: application/json\r\n\r\n%b\r\n" % (_BOUNDARY.encode(), name, value)
            for name, value in ((b"operations", self._operations), (b"map", self._map))
        )
        heads = [
            b'--%b\r\ncontent-disposition: form-data; name="%d"; filename="%b"\r\ncontent-type: %b\r\n\r\n'
            % (_BOUNDARY.encode(), number, _quoted(upload.name), upload.content_type.encode("latin-1", "replace"))
            for number, (upload, _) in enumerate(self._files)
        ]
        heads[0] = fields + heads[0]
        return heads

    @property
    def size(self) -> int:
        """Bytes of the whole body."""
        return sum(map(len, self._heads())) + sum(upload.size + 2 for upload, _ in self._files) + len(_BOUNDARY) + 6

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, piece by piece."""
        for head, (upload, _) in zip(self._heads(), self._files, strict=True):
            yield head
            async for chunk in upload.chunks():
                yield chunk
            yield b"\r\n"
        yield f"--{_BOUNDARY}--\r\n".encode()


def _quoted(name: str) -> bytes:
    """A file's name as browsers write it into a form."""
    escaped = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    return escaped.encode("utf-8", "replace")


def _without(value: Any, path: str, places: Mapping[str, list[str]]) -> Any:
    """The value with null for each token; notes where they stood."""
    if isinstance(value, str) and value in places:
        places[value].append(path)
        return None
    if isinstance(value, dict):
        return {key: _without(item, f"{path}.{key}", places) for key, item in value.items()}
    if isinstance(value, list):
        return [_without(item, f"{path}.{index}", places) for index, item in enumerate(value)]
    return value


def _tokens_in(body: bytes) -> dict[str, Upload]:
    return {token: upload for token, upload in (UPLOADS.get() or {}).items() if token.encode() in body}


def uploading(name: str, client: SubgraphClient) -> SubgraphClient:
    """The client, so that it sends files; a subgraph that isn't reached over HTTP refuses them."""
    return UploadingClient(name, client) if isinstance(client, HttpClient) else RefusingClient(name, client)


class UploadingClient:
    """An `HttpClient` that sends requests with files as forms."""

    def __init__(self, name: str, client: HttpClient) -> None:
        self._name, self._client = name, client

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        """See `SubgraphClient`."""
        if UPLOADS.get() is None:
            return await self._client.execute(request)
        timeout = self._client.options.timeout_seconds if request.timeout is None else request.timeout
        future = self.start(request_body(self._name, request), request.kind, request.headers, timeout)
        if isinstance(future, CountedAnswer):
            future.spending = request.spending
        return await (await future).exactly()

    def start(
        self, body: bytes, kind: OperationKind, headers: Mapping[str, str], timeout: float
    ) -> asyncio.Future[SubgraphResponse]:
        """See `EncodedClient.start`."""
        tokens = _tokens_in(body)
        if not tokens:
            return self._client.start(body, kind, headers, timeout)
        # Servers that are careful with forms ask for one of these.
        guarded = {**headers, "graphql-require-preflight": "1", "apollo-require-preflight": "1"}
        return self._client.start_form(Form(body, tokens), guarded, timeout)

    def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        """See `SubgraphClient`."""
        return self._client.subscribe(request)

    async def aclose(self) -> None:
        """See `SubgraphClient`."""
        await self._client.aclose()


class RefusingClient:
    """A client that can't send files."""

    def __init__(self, name: str, client: SubgraphClient) -> None:
        self._name, self._client = name, client

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        """See `SubgraphClient`."""
        if UPLOADS.get() is not None and _tokens_in(request_body(self._name, request)):
            message = f"Subgraph {self._name!r} takes no files, as it is not reached over HTTP."
            raise SubgraphError(self._name, message, code=errors.BAD_USER_INPUT)
        return await self._client.execute(request)

    def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        """See `SubgraphClient`."""
        return self._client.subscribe(request)

    async def aclose(self) -> None:
        """See `SubgraphClient`."""
        await self._client.aclose()
