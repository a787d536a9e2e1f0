"""POST /internal/verify: a credential that the gateway was shown -> whose it is, or 404."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared_schema import states
from shared_schema.api_keys import Key, KeyRefused, looks_like_key, parse_key
from shared_schema.contracts.verification import CredentialCheck, VerifiedCaller
from subgraphs.common.assertion import AssertionRefused, AssertionVerifier
from subgraphs.common.audit import Denials
from subgraphs.common.caller import ANONYMOUS, RequestFacts, Role
from subgraphs.common.context import Denial, Store
from subgraphs.common.endpoint import RequestRefused, read_body
from subgraphs.common.errors import Unavailable
from subgraphs.common.masking import unavailable
from subgraphs.identity import credentials, repository
from subgraphs.identity.networks import is_within
from subgraphs.identity.scopes import session_scopes
from subgraphs.identity.settings import IdentitySettings
from subgraphs.identity.workspaces import service_scopes

MAXIMUM_BODY = 4096


class VerifyEndpoint:
    """Answers the gateway, and no other client."""

    def __init__(
        self,
        verifier: AssertionVerifier,
        store: Store,
        settings: IdentitySettings,
        denials: Denials,
        logger: logging.Logger,
    ) -> None:
        self._verifier = verifier
        self._store = store
        self._idle = settings.session_idle
        self._environment = settings.key_environment
        self._denials = denials
        self._logger = logger

    async def __call__(self, request: Request) -> Response:
        """Answer one question."""
        try:
            body = await read_body(request, MAXIMUM_BODY)
            vouched = await self._verifier.verify(request, body)
            if not vouched.is_gateway:
                raise AssertionRefused("not the gateway itself")
            check = CredentialCheck.model_validate_json(body)
            caller = await self.verify(check)
        except AssertionRefused as refused:
            self._logger.warning("A verification was refused, its assertion: %s", refused)
            return _problem(401, "UNAUTHENTICATED_GATEWAY")
        except RequestRefused as refused:
            return _problem(refused.status, refused.code)
        except ValidationError:
            return _problem(400, "BAD_REQUEST")
        except Exception as problem:
            if not isinstance(problem, Unavailable) and not unavailable(problem):
                raise
            self._logger.error("A credential cannot be verified now: %r", problem)
            return _problem(503, "SERVICE_UNAVAILABLE")
        if caller is None:
            return _problem(404, "UNKNOWN_CREDENTIAL")
        return Response(caller.model_dump_json(), media_type="application/json", headers={"cache-control": "no-store"})

    async def verify(self, check: CredentialCheck) -> VerifiedCaller | None:
        """Whose the credential is."""
        if credentials.is_session_token(check.credential):
            return await self._session(credentials.digest(check.credential))
        # A key in a cookie is a mistake or an attack: browsers send cookies unasked.
        if check.kind == "bearer" and looks_like_key(check.credential):
            try:
                key = parse_key(check.credential, self._environment)
            except KeyRefused:
                return None
            return await self._key(key, check.address)
        return None

    async def _session(self, token_hash: bytes) -> VerifiedCaller | None:
        async with self._store.read() as session:
            row = await repository.session_behind(session, token_hash, self._idle)
            if row is None:
                return None
            opened, account, workspaces = row
            if stale(opened.last_seen_at):
                await repository.touch_session(session, opened.id)
        return VerifiedCaller(
            account_id=account.id,
            role=account.role,
            scopes=sorted(session_scopes(Role(account.role))),
            session_id=opened.id,
            credential="SESSION",
            workspaces=_roles(workspaces),
            workspace=account.id,
        )

    async def _key(self, presented: Key, address: str | None) -> VerifiedCaller | None:
        facts = RequestFacts(ip_address=address)
        async with self._store.read() as session:
            row = await repository.key_behind(session, presented.id, presented.secret_hash)
            if row is None:
                self._deny(facts, "UNKNOWN_CREDENTIAL", presented.id)
                return None
            key, account, workspaces, service = row
            if not is_within(address, key.allowed_networks):
                self._deny(facts, "ADDRESS_NOT_ALLOWED", key.id)
                return None
            if key.last_used_at is None or stale(key.last_used_at):
                await repository.touch_key(session, key.id)
        if service is not None:
            return VerifiedCaller(
                account_id=service.id,
                role=states.Role.USER,
                scopes=sorted(service_scopes(service.role) & frozenset(key.scopes)),
                session_id=key.id,
                credential="API_KEY",
                workspaces={service.workspace_id: service.role},
                workspace=service.workspace_id,
            )
        assert account is not None
        roles = _roles(workspaces)
        if key.workspace_id is not None:
            roles = {name: role for name, role in roles.items() if name == key.workspace_id}
        return VerifiedCaller(
            account_id=account.id,
            role=account.role,
            # A key never reaches beyond its owner's present role.
            scopes=sorted(session_scopes(Role(account.role)) & frozenset(key.scopes)),
            session_id=key.id,
            credential="API_KEY",
            workspaces=roles,
            workspace=key.workspace_id or account.id,
        )

    def _deny(self, facts: RequestFacts, code: str, key_id: UUID) -> None:
        self._denials.count(replace(ANONYMOUS, facts=facts), Denial("apiKey", code, "ApiKey", key_id))


def stale(last_use: datetime) -> bool:
    """True if the last use is worth writing again; the update asks again by the database's clock."""
    return datetime.now(UTC) - last_use >= repository.LAST_USE_GRAIN


def _roles(found: Mapping[str, str] | None) -> dict[UUID, states.WorkspaceRole]:
    return {UUID(name): states.WorkspaceRole(role) for name, role in (found or {}).items()}


def _problem(status: int, code: str) -> Response:
    return JSONResponse({"error": code}, status_code=status, headers={"cache-control": "no-store"})
