"""The tables of `user_psql`: accounts, what they sign in with, and the audit log."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Double,
    FetchedValue,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, INET
from sqlalchemy.orm import Mapped, mapped_column, relationship

from shared_schema.ids import new_id
from shared_schema.models.base import Identified, UserBase, Versioned, one_of, status_type
from shared_schema.models.inbox import InboxColumns
from shared_schema.models.outbox import OutboxColumns
from shared_schema.states import Role


class Account(Versioned, UserBase):
    """A person (or an organisation) who signs in, owns instances and publishes agents."""

    __tablename__ = "accounts"

    email: Mapped[str] = mapped_column(String(320))
    display_name: Mapped[str] = mapped_column(String(120))
    role: Mapped[Role] = mapped_column(status_type(Role), server_default=Role.USER.value)
    # The PHC string of argon2id ($argon2id$v=19$…); the password itself is nowhere.
    password_hash: Mapped[str] = mapped_column(String(255))
    # Of mails to the account.
    language: Mapped[str] = mapped_column(String(16), server_default="en")
    email_verified_at: Mapped[datetime | None]
    # Suspended by an admin, and why.
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None] = mapped_column(String(500))
    # Its owner closed it: it is emptied then, unless they keep it.
    closes_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]

    sessions: Mapped[list["AccountSession"]] = relationship(back_populates="account", passive_deletes=True)
    api_keys: Mapped[list["ApiKey"]] = relationship(back_populates="account", passive_deletes=True)

    __table_args__ = (
        CheckConstraint(one_of("role", Role), name="role"),
        CheckConstraint("version >= 1", name="version"),
        CheckConstraint("email = btrim(email) AND position('@' in email) > 1", name="email"),
        CheckConstraint("btrim(display_name) <> ''", name="display_name"),
        CheckConstraint("starts_with(password_hash, '$argon2id$')", name="password_hash"),
        # One living account per address, however it is capitalised.
        Index("uq_accounts_email", func.lower(text("email")), unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("ix_accounts_created_at_id", "created_at", "id"),
        Index("ix_accounts_closes_at", "closes_at", postgresql_where=text("closes_at IS NOT NULL")),
    )


class AccountSession(Identified, UserBase):
    """A sign-in. The token is 256 random bits that only the client has; here lies its SHA-256."""

    __tablename__ = "sessions"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    user_agent: Mapped[str | None] = mapped_column(String(400))
    ip_address: Mapped[str | None] = mapped_column(INET)
    last_seen_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    # When its owner last proved with a password, a code or a passkey that it is they.
    proved_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    account: Mapped[Account] = relationship(back_populates="sessions")

    __table_args__ = (
        CheckConstraint("octet_length(token_hash) = 32", name="token_hash"),
        CheckConstraint("expires_at > created_at", name="expires_at"),
        Index("uq_sessions_token_hash", "token_hash", unique=True),
        Index("ix_sessions_account_id_created_at_id", "account_id", "created_at", "id"),
        Index("ix_sessions_expires_at", "expires_at"),
    )


class ApiKey(Identified, UserBase):
    """A key for programs. The secret is shown once; here lies its SHA-256, and for a while that of the one before."""

    __tablename__ = "api_keys"

    # A person's key, or a service account's.
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    service_account_id: Mapped[UUID | None] = mapped_column(ForeignKey("service_accounts.id", ondelete="CASCADE"))
    # The one workspace in which it may be used; null: all of its person's.
    workspace_id: Mapped[UUID | None] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(120))
    # How the key begins, so that its owner recognises it in a list; nothing of the secret.
    prefix: Mapped[str] = mapped_column(String(40))
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    # Good until then, so that programs can be given the new one in their own time.
    previous_secret_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    previous_expires_at: Mapped[datetime | None]
    rotated_at: Mapped[datetime | None]
    # Networks (such as 192.0.2.0/24) from which it may be used; none: from everywhere.
    allowed_networks: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'"))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'"))
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    account: Mapped[Account | None] = relationship(back_populates="api_keys")

    __table_args__ = (
        CheckConstraint("octet_length(secret_hash) = 32", name="secret_hash"),
        CheckConstraint("btrim(name) <> ''", name="name"),
        CheckConstraint("expires_at > created_at", name="expires_at"),
        CheckConstraint("array_position(scopes, NULL) IS NULL", name="scopes"),
        CheckConstraint("octet_length(previous_secret_hash) = 32", name="previous_secret_hash"),
        CheckConstraint("(previous_secret_hash IS NULL) = (previous_expires_at IS NULL)", name="previous"),
        CheckConstraint("(account_id IS NULL) <> (service_account_id IS NULL)", name="holder"),
        CheckConstraint("account_id IS NOT NULL OR workspace_id IS NOT NULL", name="workspace"),
        Index("ix_api_keys_workspace_id_created_at_id", "workspace_id", "created_at", "id"),
        Index("ix_api_keys_account_id_created_at_id", "account_id", "created_at", "id"),
    )


class KnownDevice(Identified, UserBase):
    """A browser that has signed in to an account. Its cookie is 256 random bits; here lies their SHA-256.

    Others' wrong guesses never keep a known device from signing in.
    """

    __tablename__ = "known_devices"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    user_agent: Mapped[str | None] = mapped_column(String(400))
    ip_address: Mapped[str | None] = mapped_column(INET)
    last_used_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

    __table_args__ = (
        CheckConstraint("octet_length(token_hash) = 32", name="token_hash"),
        # Several accounts may be signed in to from one browser.
        Index("uq_known_devices_token_hash_account_id", "token_hash", "account_id", unique=True),
        Index("ix_known_devices_account_id_last_used_at", "account_id", "last_used_at"),
    )


class SignInThrottle(UserBase):
    """Tries counted by what they have in common (account and client, address, …), for all processes together."""

    __tablename__ = "sign_in_throttles"

    # SHA-256 of what is counted: the table is no list of who tried.
    key_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    # How many tries count at `updated_at`; for some keys they fade with time.
    level: Mapped[float] = mapped_column(Double, server_default=text("0"))
    blocked_until: Mapped[datetime | None]
    # Until then refusals are not written into the audit log again.
    reported_until: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

    __table_args__ = (
        CheckConstraint("octet_length(key_hash) = 32", name="key_hash"),
        CheckConstraint("level >= 0", name="level"),
        Index("ix_sign_in_throttles_updated_at", "updated_at"),
    )


class AuditEntry(UserBase):
    """Record of an actor's action on an object, and of the permission. A trigger refuses to change or delete a row.

    Another trigger numbers the rows and gives each the hash of the one before and its own (`shared_schema.audit`).
    """

    __tablename__ = "audit_log"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    seq: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    occurred_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("clock_timestamp()"))
    # The part of the platform that wrote it.
    source: Mapped[str] = mapped_column(String(32), server_default=text("'identity'"))
    # No foreign key: the entry outlives the account.
    actor_id: Mapped[UUID | None]
    # What the actor called with, and its id: a session's or an API key's.
    credential: Mapped[str | None] = mapped_column(String(16))
    session_id: Mapped[UUID | None]
    action: Mapped[str] = mapped_column(String(120))
    object_type: Mapped[str | None] = mapped_column(String(64))
    object_id: Mapped[UUID | None]
    outcome: Mapped[str] = mapped_column(String(16))
    # Where the request came from; null for what the platform does itself.
    ip_address: Mapped[str | None] = mapped_column(INET)
    user_agent: Mapped[str | None] = mapped_column(String(400))
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    previous_hash: Mapped[bytes] = mapped_column(LargeBinary(32), server_default=FetchedValue())
    hash: Mapped[bytes] = mapped_column(LargeBinary(32), server_default=FetchedValue())

    __table_args__ = (
        CheckConstraint("outcome IN ('SUCCESS', 'FAILURE', 'DENIED')", name="outcome"),
        CheckConstraint("credential IN ('SESSION', 'API_KEY')", name="credential"),
        Index("uq_audit_log_seq", "seq", unique=True),
        Index("ix_audit_log_occurred_at_id", "occurred_at", "id"),
        Index("ix_audit_log_actor_id_occurred_at_id", "actor_id", "occurred_at", "id"),
        Index("ix_audit_log_object_id_occurred_at_id", "object_id", "occurred_at", "id"),
    )


class UserOutbox(OutboxColumns, UserBase):
    """Events of `user_psql`."""


class UserInbox(InboxColumns, UserBase):
    """Messages handled by consumers whose effects are in `user_psql`."""
