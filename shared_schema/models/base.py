"""Declarative bases of both databases, and the columns that many tables share."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Enum, FetchedValue, MetaData, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared_schema.ids import new_id

# Every constraint has a name that follows from what it does, so that a migration can name it too.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

TYPES: dict[Any, Any] = {
    datetime: DateTime(timezone=True),
    UUID: Uuid(as_uuid=True),
    dict[str, Any]: JSONB(none_as_null=True),
}


class UserBase(DeclarativeBase):
    """Tables of the database `user_psql`."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = TYPES
    # Values that the database sets come back with RETURNING: an expired attribute cannot be
    # loaded lazily in asyncio.
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 - SQLAlchemy reads a plain dict


class SharedBase(DeclarativeBase):
    """Tables of the database `shared_psql`."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = TYPES
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 - SQLAlchemy reads a plain dict


def status_type(enum: type[StrEnum]) -> Enum:
    """Return a text column type for an enumeration; its values are held by a check of the table."""
    return Enum(
        enum,
        native_enum=False,
        create_constraint=False,
        length=16,
        values_callable=lambda members: [member.value for member in members],
    )


def one_of(column: str, enum: type[StrEnum]) -> str:
    """Return the text of the check that a column holds a value of `enum`."""
    return f"{column} IN ({', '.join(repr(member.value) for member in enum)})"


class Identified:
    """A UUID primary key, made here, and the time of the insert."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, sort_order=-10)
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"), sort_order=10)


class Versioned(Identified):
    """Adds `version` and `updated_at`, both kept by a trigger: what code writes there is ignored."""

    version: Mapped[int] = mapped_column(
        BigInteger, server_default=text("1"), server_onupdate=FetchedValue(), sort_order=10
    )
    updated_at: Mapped[datetime] = mapped_column(
        server_default=text("now()"), server_onupdate=FetchedValue(), sort_order=10
    )
