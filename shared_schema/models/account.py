"""Tables of `user_psql` beside an account: mails with their links, exports, second factors, sign-in elsewhere."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from shared_schema.models.base import Identified, UserBase

_WAITING = "sent_at IS NULL AND dropped_at IS NULL"


class Mail(Identified, UserBase):
    """A mail that is to be sent, and the link in it, which is good once: its token is the signed id of this row."""

    __tablename__ = "mails"

    kind: Mapped[str] = mapped_column(String(32))
    recipient: Mapped[str] = mapped_column(String(320))
    language: Mapped[str] = mapped_column(String(16), server_default="en")
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    # What the texts and the link are about: a display name, a date; never a secret.
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    # Of a registration: the hash that the account is going to have. The sender of mails can't read this column.
    password_hash: Mapped[str | None] = mapped_column(String(255))
    # The link is good until then; null for a mail without one.
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    last_error: Mapped[str | None] = mapped_column(String(1000))
    sent_at: Mapped[datetime | None]
    # Not sent, and never will be: no account has the address, the server refused it, or it was tried for too long.
    dropped_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("attempts >= 0", name="attempts"),
        CheckConstraint("sent_at IS NULL OR dropped_at IS NULL", name="sent_at"),
        CheckConstraint("starts_with(password_hash, '$argon2id$')", name="password_hash"),
        Index("ix_mails_waiting", "next_attempt_at", postgresql_where=text(_WAITING)),
        Index("ix_mails_account_id", "account_id"),
        Index("ix_mails_recipient", "recipient"),
        Index("ix_mails_created_at", "created_at"),
    )


class DataExport(Identified, UserBase):
    """A file with all that is kept of an account, which its owner asked for."""

    __tablename__ = "data_exports"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    # Another worker may begin after that.
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    finished_at: Mapped[datetime | None]
    # The file is removed then.
    expires_at: Mapped[datetime | None]
    storage_key: Mapped[str | None] = mapped_column(String(200))
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        CheckConstraint("(finished_at IS NULL) = (storage_key IS NULL)", name="finished_at"),
        CheckConstraint("size_bytes >= 0", name="size_bytes"),
        Index("ix_data_exports_account_id_created_at_id", "account_id", "created_at", "id"),
        Index("ix_data_exports_waiting", "next_attempt_at", postgresql_where=text("finished_at IS NULL")),
        Index("ix_data_exports_expires_at", "expires_at"),
    )


class TotpFactor(UserBase):
    """An account's secret for codes by time (RFC 6238), encrypted; it counts once a code of it was given."""

    __tablename__ = "totp_factors"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    confirmed_at: Mapped[datetime | None]
    # The step of 30 s whose code was used last: none is accepted twice.
    last_step: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

    __table_args__ = (CheckConstraint("octet_length(secret) <= 512", name="secret"),)


class RecoveryCode(Identified, UserBase):
    """A code that stands in for a lost second factor, once. It has 80 random bits; here lies its SHA-256."""

    __tablename__ = "recovery_codes"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    code_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    used_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("octet_length(code_hash) = 32", name="code_hash"),
        Index("uq_recovery_codes_account_id_code_hash", "account_id", "code_hash", unique=True),
    )


class Passkey(Identified, UserBase):
    """A WebAuthn credential of an account: signs in without a password, and proves presence for what needs a proof."""

    __tablename__ = "passkeys"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(120))
    credential_id: Mapped[bytes] = mapped_column(LargeBinary)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    # Grows with every use of an authenticator that counts; one that doesn't leaves 0.
    sign_count: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    transports: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'"))
    is_backed_up: Mapped[bool] = mapped_column(server_default=text("false"))
    last_used_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("octet_length(credential_id) BETWEEN 1 AND 1023", name="credential_id"),
        CheckConstraint("octet_length(public_key) <= 4096", name="public_key"),
        CheckConstraint("btrim(name) <> ''", name="name"),
        Index("uq_passkeys_credential_id", "credential_id", unique=True),
        Index("ix_passkeys_account_id_created_at_id", "account_id", "created_at", "id"),
    )


class Challenge(Identified, UserBase):
    """A step of signing in that waits for its answer; the row is deleted as it is answered, so each counts once."""

    __tablename__ = "challenges"

    kind: Mapped[str] = mapped_column(String(32))
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    expires_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("expires_at > created_at", name="expires_at"),
        Index("ix_challenges_expires_at", "expires_at"),
        Index("ix_challenges_account_id", "account_id"),
    )


class ExternalIdentity(Identified, UserBase):
    """A person at an OpenID Connect provider who signs in to an account here."""

    __tablename__ = "external_identities"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    issuer: Mapped[str] = mapped_column(String(400))
    subject: Mapped[str] = mapped_column(String(255))
    last_used_at: Mapped[datetime | None]

    __table_args__ = (
        Index("uq_external_identities_issuer_subject", "issuer", "subject", unique=True),
        Index("ix_external_identities_account_id", "account_id"),
    )
