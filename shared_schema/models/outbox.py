"""The columns of `outbox`, the same in both databases."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, SmallInteger, String, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.types import UserDefinedType

from shared_schema.origin import ACTOR_SETTING, MAX_ACTOR, TRACE_SETTING, TRACEPARENT


class Xid8(UserDefinedType[int]):
    """Postgres' 64-bit transaction id (since 13)."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Return the SQL name."""
        return "xid8"


# So that reflection (and with it the comparison of models with migrations) knows the type.
postgresql.base.ischema_names["xid8"] = Xid8


# Names and pattern are those of `shared_schema.origin`.
_ACTOR = (
    f"left(coalesce(nullif(current_setting('{ACTOR_SETTING}', true), ''),"
    f" nullif(current_setting('application_name', true), '')), {MAX_ACTOR})"
)
CURRENT_TRACE: Final = f"coalesce(substring(current_setting('{TRACE_SETTING}', true), '{TRACEPARENT}'), '')"


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
    # Of the contract of `data`, see `shared_schema.contracts.events`.
    data_version: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    # Rows of a transaction that may still be followed by an older one's are not published yet.
    xid: Mapped[int] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    published_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    last_error: Mapped[str | None] = mapped_column(String(1000))
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    # Author of the transaction, as `shared_schema.origin` reported it; else the name of the program.
    actor: Mapped[str | None] = mapped_column(String(MAX_ACTOR), server_default=text(_ACTOR))
    # A column default: every writer's row has its trace. What is none is left empty, for an event must never
    # make the change fail that it tells of; an instance's event then has the trace that made the instance, by trigger.
    traceparent: Mapped[str] = mapped_column(String(55), server_default=text(CURRENT_TRACE))
    # When somebody asked to have it published once more.
    replayed_at: Mapped[datetime | None]

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        """The relay's queries: what waits, what waits of one aggregate, what is old."""
        waiting = text("published_at IS NULL")
        return (
            CheckConstraint("version >= 1", name="version"),
            CheckConstraint("attempts >= 0", name="attempts"),
            CheckConstraint("data_version >= 1", name="data_version"),
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
            # For a replay's period; rows are written in this order, so a summary of blocks will do.
            Index("ix_outbox_created_at", "created_at", postgresql_using="brin"),
        )
