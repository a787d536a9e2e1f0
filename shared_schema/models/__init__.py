"""The rows of both databases, as SQLAlchemy models."""

from shared_schema.models.account import (
    Challenge,
    DataExport,
    ExternalIdentity,
    Mail,
    Passkey,
    RecoveryCode,
    TotpFactor,
)
from shared_schema.models.base import SharedBase, UserBase
from shared_schema.models.runs import InstanceArtifact, InstanceHistory, InstanceLog, Schedule
from shared_schema.models.shared import Agent, AgentDay, Instance, SharedInbox, SharedOutbox, Template
from shared_schema.models.workspace import ServiceAccount, Workspace, WorkspaceMember
from shared_schema.models.user import (
    Account,
    AccountSession,
    ApiKey,
    AuditEntry,
    KnownDevice,
    SignInThrottle,
    UserInbox,
    UserOutbox,
)

__all__ = [
    "Account",
    "AccountSession",
    "Agent",
    "AgentDay",
    "ApiKey",
    "AuditEntry",
    "Challenge",
    "DataExport",
    "ExternalIdentity",
    "Instance",
    "InstanceArtifact",
    "InstanceHistory",
    "InstanceLog",
    "KnownDevice",
    "Mail",
    "Passkey",
    "RecoveryCode",
    "Schedule",
    "ServiceAccount",
    "Workspace",
    "WorkspaceMember",
    "SharedBase",
    "SharedInbox",
    "SharedOutbox",
    "SignInThrottle",
    "Template",
    "TotpFactor",
    "UserBase",
    "UserInbox",
    "UserOutbox",
]
