"""The columns of `outbox`, the same in both databases."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, String, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.types import UserDefinedType


class Xid8(UserDefinedType[int]):
    """Postgres' 64-bit transaction id (since 13)."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Return the SQL name."""
        return "xid8"


# So that reflection (and with it the comparison of models with migrations) knows the type.
postgresql.base.ischema_names["xid8"] = Xid8


class OutboxColumns:
    """An event that waits to be published, or was; written by trigger, read by the relay."""

    __tablename__ = "outbox"

    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    id: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    aggregate_type: Mapped[str] = mapped_column(String(64))
    aggregate_id: Mapped[UUID]
    version: Mapped[int] = mapped_column(BigInteger)
    event_type: Mapped[str] = mapped_column(String(128))
    data: Mapped[dict[str, Any]]
    # Rows of a transaction that may still be followed by an older one's are not published yet.
    xid: Mapped[int] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    published_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    last_error: Mapped[str | None] = mapped_column(String(1000))
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        """The relay's queries: what waits, what waits of one aggregate, what is old."""
        waiting = text("published_at IS NULL")
        return (
            CheckConstraint("version >= 1", name="version"),
            CheckConstraint("attempts >= 0", name="attempts"),
            Index("uq_outbox_id", "id", unique=True),
            Index("ix_outbox_waiting", "seq", postgresql_where=waiting),
            Index(
                "ix_outbox_waiting_aggregate",
                "aggregate_type",
                "aggregate_id",
                "seq",
                postgresql_where=waiting,
            ),
            Index("ix_outbox_published_at", "published_at", postgresql_where=text("published_at IS NOT NULL")),
        )
