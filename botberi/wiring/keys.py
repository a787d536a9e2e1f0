"""A folder or a PEM file -> the Ed25519 keys with which the gateway signs who calls, and their public JWKS."""

import base64
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from botberi.run.errors import StartError
from shared_schema.contracts.assertion import LIFETIME_SECONDS
from shared_schema.private import make_private_folder

logger = logging.getLogger(__name__)

#: A key signs after it has been published for so long; the JWKS may be kept for 60 s.
PUBLISH_SECONDS: Final = 90.0
#: How often files are looked at.
LOOK_SECONDS: Final = 5.0
#: A key whose file is gone is accepted for so long: an assertion's life, the leeway of clocks, and a look.
KEPT_SECONDS: Final = LIFETIME_SECONDS + 5 + LOOK_SECONDS


def b64url(data: bytes) -> str:
    """Base64 as JOSE has it: URL-safe, no padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One private key and the name (`kid`) that says so in a token."""

    kid: str
    private: Ed25519PrivateKey

    def public_jwk(self) -> dict[str, Any]:
        """The public half, as a JWK."""
        return _jwk(self.private) | {"kid": self.kid, "use": "sig", "alg": "EdDSA"}


class KeyRing:
    """All keys that subgraphs shall accept, of which one signs; read again while the gateway runs.

    A key that appears is published at once and signs `publish_seconds` later, when everybody who keeps the JWKS for a
    while has it. A key whose file is gone signs no more at once, and is published until the last assertion that it may
    have signed has expired. At the start the times of files count: a key that was there for long signs at once.
    """

    def __init__(
        self,
        read: Callable[[], Sequence[tuple[float, SigningKey]]],
        *,
        publish_seconds: float = PUBLISH_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`read` gives each key with the time since which it is there, newest first; raises `StartError`."""
        self._read = read
        self._publish_seconds = publish_seconds
        self._clock = clock
        found = read()
        self._since = {key.kid: since for since, key in found}
        self._present = [key for _, key in found]
        self._leaving: dict[str, tuple[float, SigningKey]] = {}
        self._look_at = clock() + LOOK_SECONDS
        self._problem = ""

    @property
    def keys(self) -> Sequence[SigningKey]:
        """Every key that is published, the one that signs first."""
        signing = self.signing
        rest = [key for key in self._present if key is not signing]
        return [signing, *rest, *[key for _, key in self._leaving.values()]]

    @property
    def signing(self) -> SigningKey:
        """The key new assertions are signed with: the newest that has been published for long enough."""
        now = self._clock()
        if now >= self._look_at:
            self._look(now)
        for key in self._present:
            if now - self._since[key.kid] >= self._publish_seconds:
                return key
        # All are new: the oldest of them.
        return self._present[-1]

    def jwks(self) -> dict[str, Any]:
        """The JSON Web Key Set that subgraphs verify with."""
        return {"keys": [key.public_jwk() for key in self.keys]}

    def _look(self, now: float) -> None:
        self._look_at = now + LOOK_SECONDS
        self._leaving = {kid: left for kid, left in self._leaving.items() if left[0] > now}
        try:
            found = [key for _, key in self._read()]
        except StartError as error:
            # A file that is being written, or a folder that is away: what is known goes on.
            if str(error) != self._problem:
                logger.error("The assertion keys stay as they are: %s", error)
            self._problem = str(error)
            return
        self._problem = ""
        kids = {key.kid for key in found}
        for key in self._present:
            if key.kid not in kids:
                logger.info("The assertion key %s is gone; it is accepted for %.0f s", key.kid, KEPT_SECONDS)
                self._leaving[key.kid] = now + KEPT_SECONDS, key
        for kid in kids - self._since.keys():
            logger.info("The assertion key %s is new; it signs in %.0f s", kid, self._publish_seconds)
            self._since[kid] = now
        for kid in kids:
            self._leaving.pop(kid, None)
        self._present = found
        self._since = {kid: self._since[kid] for kid in kids}


def load_file(path: Path, **options: Any) -> KeyRing:
    """The ring of one PEM file, as `BOTBERI_ASSERTION_PRIVATE_KEY_FILE` names it; put another in its place to rotate.

    The key of before signs until the new one is published for long enough.
    """
    former: list[tuple[float, SigningKey]] = []

    def read() -> Sequence[tuple[float, SigningKey]]:
        since, key = _since(path), _read(path)
        if not former or former[0][1].kid != key.kid:
            former.insert(0, (since, key))
            del former[2:]
        return list(former)

    return KeyRing(read, **options)


def load_folder(folder: Path, **options: Any) -> KeyRing:
    """The ring of a folder of `*.pem`; makes a first key in an empty one."""
    make_private_folder(folder)
    if not any(folder.glob("*.pem")):
        _make(folder, "assertion-1.pem")

    def read() -> Sequence[tuple[float, SigningKey]]:
        found = [(_since(path), path.name, path) for path in folder.glob("*.pem")]
        if not found:
            raise StartError(f"{folder} holds no *.pem any more")
        return [(since, _read(path)) for since, _, path in sorted(found, reverse=True)]

    return KeyRing(read, **options)


def add_key(folder: Path) -> Path:
    """Put a new key into the folder, whole at once; gateways that read it take it up by themselves."""
    make_private_folder(folder)
    return _make(folder, f"assertion-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{uuid4().hex[:6]}.pem")


def remove_superseded(folder: Path, *, older_than_seconds: float) -> Sequence[Path]:
    """Remove all keys but the newest, once that is older than so many seconds and so signs; those removed."""
    found = sorted(((_since(path), path.name, path) for path in folder.glob("*.pem")), reverse=True)
    if not found or time.time() - found[0][0] < older_than_seconds:
        return ()
    removed = [path for _, _, path in found[1:]]
    for path in removed:
        path.unlink(missing_ok=True)
    return removed


def kid_of(path: Path) -> str:
    """The name of a file's key in tokens and in the JWKS. Raises `StartError`."""
    return _read(path).kid


def _since(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError as error:
        raise StartError(f"The assertion key {path} can't be read: {error.strerror}.") from None


def _make(folder: Path, name: str) -> Path:
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / name
    written = folder / f".{path.name}.{uuid4().hex}"
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(pem)
    # Whole at once, and the first one's where two processes start together.
    with suppress(FileExistsError):
        os.link(written, path)
    written.unlink()
    return path


def _read(path: Path) -> SigningKey:
    try:
        private = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise StartError(f"The assertion key {path} can't be read: {error.strerror}.") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise StartError(f"{path} holds no unencrypted PEM private key.") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise StartError(f"{path} holds a key of another kind; assertions are signed with Ed25519.")
    return SigningKey(_thumbprint(private), private)


def _jwk(private: Ed25519PrivateKey) -> dict[str, str]:
    raw = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"crv": "Ed25519", "kty": "OKP", "x": b64url(raw)}


def _thumbprint(private: Ed25519PrivateKey) -> str:
    """RFC 7638: the hash of the key's required members in lexicographic order, so equal keys have equal names."""
    text = json.dumps(_jwk(private), separators=(",", ":"), sort_keys=True)
    return b64url(hashlib.sha256(text.encode()).digest())
