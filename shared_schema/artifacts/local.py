"""A folder -> a storage; its addresses are the platform's own, signed, and open until they expire."""

import base64
import hashlib
import hmac
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import orjson

from shared_schema.artifacts.port import StorageError
from shared_schema.private import make_private_folder

#: Where the gateway serves them.
PATH: Final = "/artifacts"
_MAX_TOKEN: Final = 2_000


_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL


@dataclass(frozen=True, slots=True)
class Download:
    """The file of a valid address."""

    file: Path
    content_type: str
    name: str


class LocalFolder:
    """Files in a folder that workers write and the gateway reads."""

    def __init__(self, folder: Path, secret: Callable[[], bytes], public_url: str = "") -> None:
        """`secret` is asked for when an address is made or read: who only writes files needs none."""
        self._folder = folder
        self._secret = secret
        self._public_url = public_url.rstrip("/")

    def put(self, key: str, file: Path, content_type: str, name: str) -> None:
        """Implements `port.Storage`."""
        target = self._place(key)
        # Whole or not at all: a reader never sees half a file.
        part = target.with_name(f".{target.name}.{uuid4().hex}")
        try:
            make_private_folder(target.parent)
            # Only the platform's own user reads what people's runs found, whatever the umask says.
            with file.open("rb") as source, os.fdopen(os.open(part, _NEW, 0o600), "wb") as copy:
                shutil.copyfileobj(source, copy)
            os.replace(part, target)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise StorageError(f"can't write {key}: {error.strerror}") from error

    def fetch(self, key: str, file: Path) -> bool:
        """Implements `port.Storage`."""
        try:
            shutil.copyfile(self._place(key), file)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StorageError(f"can't read {key}: {error.strerror}") from error
        return True

    def delete(self, key: str) -> None:
        """Implements `port.Storage`; folders that are left empty go as well."""
        target = self._place(key)
        try:
            target.unlink(missing_ok=True)
            for parent in target.parents:
                if parent == self._folder:
                    break
                parent.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if target.exists():
                raise StorageError(f"can't remove {key}: {error.strerror}") from error

    def url(self, key: str, content_type: str, name: str, seconds: int, *, base_url: str | None = None) -> str:
        """Implements `port.Storage`; without a public URL of its own and a `base_url` it is a path of the gateway."""
        body = orjson.dumps([key, content_type, name, int(time.time()) + seconds])
        return f"{self._public_url or base_url or ''}{PATH}/{_text(body)}.{_text(self._sign(body))}"

    def open(self, token: str) -> Download | None:
        """The file of the last part of an address; None if it is none of ours, has expired, or the file is gone."""
        body_text, _, signature = token.partition(".")
        if len(token) > _MAX_TOKEN or not token.isascii():
            return None
        try:
            body = _bytes(body_text)
            if not hmac.compare_digest(self._sign(body), _bytes(signature)):
                return None
            key, content_type, name, expires = orjson.loads(body)
        except ValueError:
            return None
        if time.time() > expires:
            return None
        file = self._place(key)
        return Download(file, content_type, name) if file.is_file() else None

    def _sign(self, body: bytes) -> bytes:
        return hmac.new(self._secret(), body, hashlib.sha256).digest()

    def _place(self, key: str) -> Path:
        place = (self._folder / key).resolve()
        if not place.is_relative_to(self._folder.resolve()):
            raise StorageError(f"{key} leads out of the storage")
        return place


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
