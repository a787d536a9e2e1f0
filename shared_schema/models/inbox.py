"""The columns of `inbox`, the same in both databases."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, declared_attr, mapped_column


class InboxColumns:
    """An event that a consumer has dealt with; written by `shared_schema.inbox` with the effect, in one transaction."""

    __tablename__ = "inbox"

    consumer: Mapped[str] = mapped_column(String(200), primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    handled_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        """A BRIN index: rows come in the order of time, so a summary of blocks is enough to find the old ones."""
        return (Index("ix_inbox_handled_at", "handled_at", postgresql_using="brin"),)
