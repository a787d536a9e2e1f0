"""A presented credential -> who it belongs to: the body and the answer of identity's /internal/verify."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared_schema.states import Role, WorkspaceRole


class CredentialCheck(BaseModel):
    """Question of the gateway to identity."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    credential: Annotated[str, Field(min_length=1, max_length=512, repr=False)]
    kind: Literal["cookie", "bearer"]
    # Where the request comes from: keys may be bound to networks.
    address: Annotated[str, Field(max_length=45)] | None = None


class VerifiedCaller(BaseModel):
    """Answer of identity when the credential is good (404 otherwise)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    account_id: UUID
    role: Role
    scopes: list[str] = []
    session_id: UUID
    credential: Literal["SESSION", "API_KEY"] = "SESSION"
    # The workspaces in which it may act, and its role in each; the one that is meant where a request names none.
    workspaces: dict[UUID, WorkspaceRole] = {}
    workspace: UUID | None = None
