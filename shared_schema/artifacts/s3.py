"""A bucket of an S3-compatible server -> a storage; its addresses are presigned (signature version 4)."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from shared_schema.artifacts.port import StorageError


class S3Bucket:
    """Needs the extra `s3` (obstore)."""

    def __init__(self, url: str, options: Mapping[str, Any], *, allow_http: bool) -> None:
        from obstore.store import from_url

        how: dict[str, Any] = {
            "config": options,
            "client_options": {"allow_http": allow_http, "timeout": timedelta(seconds=60)},
            "retry_config": {"max_retries": 3, "retry_timeout": timedelta(seconds=60)},
        }
        self._store: Any = from_url(url, **how)

    def put(self, key: str, file: Path, content_type: str, name: str) -> None:
        """Implements `port.Storage`."""
        import obstore

        about = {"Content-Type": content_type, "Content-Disposition": f'attachment; filename="{name}"'}
        try:
            obstore.put(self._store, key, file, attributes=about)
        except (obstore.exceptions.BaseError, OSError) as error:
            raise StorageError(f"can't write {key}: {type(error).__name__}") from error

    def fetch(self, key: str, file: Path) -> bool:
        """Implements `port.Storage`."""
        import obstore

        try:
            with file.open("wb") as out:
                for part in obstore.get(self._store, key).stream():
                    out.write(part)
        except FileNotFoundError:
            return False
        except (obstore.exceptions.BaseError, OSError) as error:
            raise StorageError(f"can't read {key}: {type(error).__name__}") from error
        return True

    def delete(self, key: str) -> None:
        """Implements `port.Storage`."""
        import obstore

        try:
            obstore.delete(self._store, key)
        except FileNotFoundError:
            return
        except (obstore.exceptions.BaseError, OSError) as error:
            raise StorageError(f"can't remove {key}: {type(error).__name__}") from error

    def url(self, key: str, content_type: str, name: str, seconds: int, *, base_url: str | None = None) -> str:
        """Implements `port.Storage`. The type and the name were given to the server with the file."""
        import obstore

        signed: str = obstore.sign(self._store, "GET", key, timedelta(seconds=seconds))
        return signed
