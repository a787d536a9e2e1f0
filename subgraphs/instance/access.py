"""A caller and an object's workspace -> whether the caller may change it, or the refusal that says what is missing."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from shared_schema.models import Instance, Schedule
from subgraphs.common.caller import Caller, Scope
from subgraphs.common.errors import ForbiddenRefusal, NotFoundRefusal
from subgraphs.common.ids import input_id

T = TypeVar("T", Instance, Schedule)

VIEWERS = "Viewers of a workspace change nothing in it."


def writable_workspace(caller: Caller, workspace_id: UUID | None) -> UUID:
    """The workspace in which something is to be made: the named one, or the caller's own. Raises a `Refusal`."""
    chosen = workspace_id or caller.workspace
    if chosen is None or chosen not in caller.workspaces:
        raise ForbiddenRefusal("You are no member of such a workspace.")
    if not caller.writes_in(chosen, Scope.INSTANCES_WRITE):
        raise ForbiddenRefusal(VIEWERS)
    return chosen


def writable(caller: Caller, row: T | None, noun: str = "instance") -> T:
    """The row, if it is in a workspace in which the caller may change things. Raises a `Refusal`."""
    if row is None:
        raise NotFoundRefusal(f"There is no such {noun}.")
    if row.workspace_id not in caller.workspaces:
        # As if it did not exist.
        raise NotFoundRefusal(f"There is no such {noun}.", hidden=(type(row).__name__, row.id))
    if not caller.writes_in(row.workspace_id, Scope.INSTANCES_WRITE):
        raise ForbiddenRefusal(VIEWERS)
    return row


def workspace_of(named: str | None) -> UUID | None:
    """The workspace that an input names, if it names one. Raises a `Refusal`."""
    return None if named is None else input_id("Workspace", named, "workspaceId")
