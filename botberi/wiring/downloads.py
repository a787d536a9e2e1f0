"""A folder of files -> the gateway's route that serves them to any client with a signed address that is still valid."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from shared_schema.artifacts import Storage
from shared_schema.artifacts.local import PATH, LocalFolder

#: A file is somebody's data: nothing in it may run as the platform's own page, and no proxy keeps it.
_HEADERS = {
    "cache-control": "private, no-store",
    "content-security-policy": "default-src 'none'; sandbox",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def routes(storage: Storage) -> Sequence[Route]:
    """None for files that another server hands out."""
    if not isinstance(storage, LocalFolder):
        return ()

    def download(request: Request) -> Response:
        file = storage.open(request.path_params["token"])
        if file is None:
            # Wrong, expired or gone: a client without a valid address doesn't learn which.
            problem = {"code": "NOT_FOUND", "message": "This address is not valid, or not any more. Ask for a new one."}
            return JSONResponse({"error": problem}, status_code=404, headers=_HEADERS)
        return FileResponse(file.file, media_type=file.content_type, filename=file.name, headers=_HEADERS)

    return (Route(PATH + "/{token}", download, methods=["GET"]),)
