"""Environment -> the storage of the files that runs make."""

from functools import cache
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import Field

from shared_schema.artifacts.local import LocalFolder
from shared_schema.artifacts.port import Storage
from shared_schema.artifacts.s3 import S3Bucket
from shared_schema.private import load_or_make_secret
from shared_schema.settings import SettingsError, StateSettings


class ArtifactSettings(StateSettings):
    """Place where files are kept, and seconds for which an address of one is good."""

    # Where the files that runs make are kept: `file:///folder` (shared by workers and gateway) or `s3://bucket/prefix`.
    # Unset: a folder of the state folder.
    artifacts_url: str | None = None
    # The S3-compatible server, such as https://minio.example:9000; unset: Amazon's.
    artifacts_s3_endpoint: str | None = None
    artifacts_s3_region: str = "us-east-1"
    # Unset: as the AWS_… variables say, or the machine's role.
    artifacts_s3_access_key_id: str | None = Field(default=None, repr=False)
    artifacts_s3_secret_access_key: str | None = Field(default=None, repr=False)
    # What addresses of files in a folder are signed with, the same for instance subgraph and gateway (32 characters or
    # more). Unset: one is made in the state folder.
    artifacts_secret: Annotated[str, Field(min_length=32)] | None = Field(default=None, repr=False)
    # How long a download's address is good.
    artifact_url_seconds: Annotated[int, Field(ge=10, le=86_400)] = 300
    # The address at which clients reach the platform, for the addresses of downloads. Unset: the one by which each
    # client reached the gateway.
    public_url: str = ""


def make_storage(settings: ArtifactSettings) -> Storage:
    """The storage that the settings name. Raises `SettingsError`."""
    parts = urlsplit(settings.artifacts_url or "file:")
    if parts.scheme == "s3" and parts.netloc:
        return _bucket(settings)
    if parts.scheme == "file" and not parts.netloc:
        folder = Path(unquote(parts.path)) if parts.path else settings.state_dir / "artifacts"
        return LocalFolder(folder.absolute(), cache(lambda: _secret(settings)), settings.public_url)
    raise SettingsError("BOTBERI_ARTIFACTS_URL must look like file:///folder or s3://bucket/prefix")


def _bucket(settings: ArtifactSettings) -> S3Bucket:
    options = {
        "region": settings.artifacts_s3_region,
        "endpoint": settings.artifacts_s3_endpoint,
        "access_key_id": settings.artifacts_s3_access_key_id,
        "secret_access_key": settings.artifacts_s3_secret_access_key,
    }
    # Plain HTTP only where somebody wrote it down.
    allow_http = (settings.artifacts_s3_endpoint or "").startswith("http://")
    configured = {name: value for name, value in options.items() if value is not None}
    try:
        return S3Bucket(str(settings.artifacts_url), configured, allow_http=allow_http)
    except ImportError as error:
        raise SettingsError(
            "files on S3 need the package obstore (extra `s3`; the image has it): run ./test once, which installs it"
        ) from error


def _secret(settings: ArtifactSettings) -> bytes:
    if settings.artifacts_secret is not None:
        return settings.artifacts_secret.encode()
    return load_or_make_secret(settings.state_dir / "keys" / "artifacts.key")
