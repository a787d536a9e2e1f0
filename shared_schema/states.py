"""The states of rows and the steps between them, as data (the database's triggers hold the same)."""

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """Rights of an account beyond its own things."""

    USER = "user"
    CURATOR = "curator"
    ADMIN = "admin"


class WorkspaceRole(StrEnum):
    """Rights of a member in a workspace: an owner manages members, a member makes and ends runs, a viewer reads."""

    OWNER = "owner"
    MEMBER = "member"
    VIEWER = "viewer"

    @property
    def may_write(self) -> bool:
        """True if the role makes and changes what belongs to the workspace."""
        return self is not WorkspaceRole.VIEWER


class PublicationStatus(StrEnum):
    """Place of an agent or a template in the catalog's life cycle."""

    DRAFT = "DRAFT"
    PUBLISHED = "PUBLISHED"
    RETIRED = "RETIRED"


class InstanceStatus(StrEnum):
    """State of a run."""

    PENDING = "PENDING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"

    @property
    def is_terminal(self) -> bool:
        """True if nothing follows this status."""
        return self in TERMINAL


TERMINAL: Final = frozenset(
    {InstanceStatus.SUCCEEDED, InstanceStatus.FAILED, InstanceStatus.CANCELLED, InstanceStatus.TIMED_OUT}
)

_FAILED_EARLY: Final = frozenset({InstanceStatus.FAILED, InstanceStatus.CANCELLED, InstanceStatus.TIMED_OUT})

# PENDING -> RUNNING: a quick worker claims a run before its dispatcher has marked it QUEUED.
# RUNNING -> QUEUED: the lease of a lost worker expired and the run is tried again.
TRANSITIONS: Final[dict[InstanceStatus, frozenset[InstanceStatus]]] = {
    InstanceStatus.PENDING: _FAILED_EARLY | {InstanceStatus.QUEUED, InstanceStatus.RUNNING},
    InstanceStatus.QUEUED: _FAILED_EARLY | {InstanceStatus.RUNNING},
    InstanceStatus.RUNNING: TERMINAL | {InstanceStatus.QUEUED},
    InstanceStatus.SUCCEEDED: frozenset(),
    InstanceStatus.FAILED: frozenset(),
    InstanceStatus.CANCELLED: frozenset(),
    InstanceStatus.TIMED_OUT: frozenset(),
}


class LogLevel(StrEnum):
    """Weight of a line of a run's log, the least first."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"

    @property
    def and_above(self) -> tuple["LogLevel", ...]:
        """This level and all that matter more."""
        levels = tuple(LogLevel)
        return levels[levels.index(self) :]


class MissedFirings(StrEnum):
    """Policy of a schedule for firings that no scheduler was there for."""

    SKIP = "SKIP"
    RUN_ONCE = "RUN_ONCE"


class OverlapPolicy(StrEnum):
    """Policy of a schedule for a firing while an instance of an earlier one has not ended."""

    ALLOW = "ALLOW"
    SKIP = "SKIP"
