"""A folder or a PEM file -> the Ed25519 keys with which the gateway signs who calls, and their public JWKS."""

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from botberi.run.errors import StartError
from shared_schema.private import make_private_folder


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


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys that subgraphs shall accept; the first signs."""

    keys: Sequence[SigningKey]

    @property
    def signing(self) -> SigningKey:
        """The key new assertions are signed with."""
        return self.keys[0]

    def jwks(self) -> dict[str, Any]:
        """The JSON Web Key Set that subgraphs verify with."""
        return {"keys": [key.public_jwk() for key in self.keys]}


def load_file(path: Path) -> KeyRing:
    """The ring of one PEM file, as `BOTBERI_ASSERTION_PRIVATE_KEY_FILE` names it."""
    return KeyRing((_read(path),))


def load_folder(folder: Path) -> KeyRing:
    """The ring of a folder of `*.pem`, newest first; makes a first key in an empty one.

    Rotation: add a key, restart the gateway, remove the old one once its last assertion (30 s) is over.
    """
    make_private_folder(folder)
    paths = sorted(folder.glob("*.pem"), key=lambda path: (path.stat().st_mtime, path.name), reverse=True)
    if not paths:
        paths = [_make(folder)]
    return KeyRing(tuple(_read(path) for path in paths))


def _make(folder: Path) -> Path:
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "assertion-1.pem"
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
