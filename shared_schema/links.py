"""A secret -> tokens of links in mails, and sealed texts: what identity and its worker must agree about.

A link's token is the id of its row in `mails`, signed; the row says whether it was used and when it ends. So nothing in
the database is a token, and a token that was made up is refused without asking it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from itsdangerous import BadData, URLSafeSerializer
from pydantic import AfterValidator, Field

from shared_schema.private import load_or_make_secret
from shared_schema.settings import StateSettings

MIN_SECRET: Final = 32
#: No token of ours is near this long.
MAX_TOKEN: Final = 200


def _secrets(text: str) -> str:
    if any(len(secret.strip()) < MIN_SECRET for secret in text.split(",")):
        raise ValueError(f"each secret needs {MIN_SECRET} characters or more; several are separated by commas")
    return text


class SecretSettings(StateSettings):
    """The secret of identity and its worker."""

    # What links in mails are signed with, and secrets of second factors encrypted with; the same for identity and its
    # worker. Several, separated by commas: the first is used, the others still verify and decrypt (32 characters or
    # more each). Unset: one is made in the state folder.
    identity_secret: Annotated[str, AfterValidator(_secrets)] | None = Field(default=None, repr=False)

    def keys(self) -> Keys:
        """What is derived from the secret, which is made in the state folder where none is set."""
        if self.identity_secret is None:
            return Keys([load_or_make_secret(self.state_dir / "keys" / "identity.key")])
        return Keys([secret.strip().encode() for secret in self.identity_secret.split(",")])


class Keys:
    """Signs links and seals texts; the first secret is used, any of them verifies and opens."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._secrets = tuple(secrets)
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(secret))) for secret in self._secrets])

    def token(self, kind: str, mail_id: UUID) -> str:
        """The token of the link in a mail."""
        return str(self._serializer(kind).dumps(mail_id.hex))

    def mail_id(self, kind: str, token: str) -> UUID | None:
        """The mail whose link has this token; None for one that was not made here for this kind of mail."""
        if len(token) > MAX_TOKEN or not token.isascii():
            return None
        try:
            return UUID(self._serializer(kind).loads(token))
        except (BadData, ValueError, TypeError, AttributeError):
            return None

    def seal(self, text: bytes) -> bytes:
        """Encrypt and sign."""
        return self._fernet.encrypt(text)

    def reseal(self, sealed: bytes) -> bytes | None:
        """The same text, sealed with the secret that is used now; None where none of the secrets fits."""
        try:
            return self._fernet.rotate(sealed)
        except InvalidToken:
            return None

    def open(self, sealed: bytes) -> bytes | None:
        """Decrypt; None where none of the secrets fits."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            return None

    def _serializer(self, kind: str) -> URLSafeSerializer:
        # The last of its keys signs.
        return URLSafeSerializer(
            [*reversed(self._secrets)], salt=f"botberi mail {kind}", signer_kwargs={"digest_method": hashlib.sha256}
        )


def _derived(secret: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"botberi sealed texts").derive(secret)
