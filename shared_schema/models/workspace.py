"""The tables of `user_psql` about workspaces: who is a member of which, and what calls in the name of one."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from shared_schema.models.base import Identified, UserBase, one_of, status_type
from shared_schema.states import WorkspaceRole


class Workspace(Identified, UserBase):
    """The owner of agents, instances, schedules, keys and files. A trigger makes a personal one for each account."""

    __tablename__ = "workspaces"

    name: Mapped[str] = mapped_column(String(120))
    # A personal workspace has the id of its account, which is its only member.
    personal_of: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    deleted_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("btrim(name) <> ''", name="name"),
        CheckConstraint("personal_of = id", name="personal_of"),
    )


class WorkspaceMember(UserBase):
    """An account in a workspace, and its rights there."""

    __tablename__ = "workspace_members"

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    role: Mapped[WorkspaceRole] = mapped_column(status_type(WorkspaceRole))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

    __table_args__ = (
        CheckConstraint(one_of("role", WorkspaceRole), name="role"),
        Index("ix_workspace_members_account_id", "account_id"),
    )


class ServiceAccount(Identified, UserBase):
    """A program that acts for a workspace, not for a person: its API keys stay when people leave."""

    __tablename__ = "service_accounts"

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(120))
    role: Mapped[WorkspaceRole] = mapped_column(status_type(WorkspaceRole))
    deleted_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("btrim(name) <> ''", name="name"),
        CheckConstraint("role IN ('member', 'viewer')", name="role"),
        Index("ix_service_accounts_workspace_id_created_at_id", "workspace_id", "created_at", "id"),
    )
