"""A credential -> the caller that it belongs to; identity is asked at most once a second about each."""

import asyncio
import contextlib
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Literal

from botberi.wiring.assertion import GATEWAY, AssertionSigner, Caller
from botberi.wiring.internal_call import InternalCall, InternalCallError
from shared_schema.api_keys import looks_like_key
from shared_schema.contracts.assertion import HEADER
from shared_schema.contracts.verification import CredentialCheck, VerifiedCaller

Kind = Literal["cookie", "bearer"]

#: Seconds for which an answer of identity is used: so long at most may a revoked session or key go on working.
_BELIEVED_FOR: Final = 1.0
_MAX_CACHED: Final = 10_000
#: No session token or API key is near this long; longer ones aren't worth a question.
_MAX_CREDENTIAL: Final = 512


class VerifierUnavailableError(Exception):
    """Identity can't be asked, so no caller can be known."""


class Verifier:
    """Asks identity whose a credential is; equal questions at one time are asked once."""

    def __init__(
        self, identity: InternalCall, signer: AssertionSigner, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._identity = identity
        self._signer = signer
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, Caller | None]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Caller | None]] = {}
        self._forgot_at = float("-inf")

    async def verify(self, credential: str, kind: Kind, address: str | None = None) -> Caller | None:
        """Return the caller; None if the credential is unknown, ended or revoked. Raises `VerifierUnavailableError`.

        `address` is where the request comes from: an API key may be good from some networks alone.
        """
        if not credential or len(credential) > _MAX_CREDENTIAL:
            return None
        # The answer about a session is the same from everywhere.
        origin = address if looks_like_key(credential) else None
        # Hashed, so that a memory dump of the cache holds no usable credential.
        name = hashlib.sha256(f"{kind}:{origin}:{credential}".encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(name)
        if known is not None and self._clock() < known[0]:
            return known[1]
        task = self._asking.get(name)
        if task is None:
            task = asyncio.create_task(self._ask(name, credential, kind, origin))
            self._asking[name] = task
            task.add_done_callback(lambda done: self._answered(name, done))
        # One caller's leaving must not fail the others who wait for the same answer.
        return await asyncio.shield(task)

    def forget(self, subject: str) -> None:
        """Ask again about this account's credentials: it may just have ended one of them."""
        self._forgot_at = self._clock()
        for name in [
            name for name, (_, caller) in self._known.items() if caller is not None and caller.subject == subject
        ]:
            del self._known[name]

    @contextlib.asynccontextmanager
    async def lifespan(self, _: object) -> AsyncIterator[None]:
        """The lifespan of the app that asks: what was opened is closed with it."""
        try:
            yield
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the way to identity."""
        for task in list(self._asking.values()):
            task.cancel()
        await self._identity.aclose()

    def _answered(self, name: bytes, done: asyncio.Task[Caller | None]) -> None:
        self._asking.pop(name, None)
        if not done.cancelled():
            # The tasks that asked may all have left: then no task needs to learn of a failure.
            done.exception()

    async def _ask(self, name: bytes, credential: str, kind: Kind, address: str | None) -> Caller | None:
        # The answer is as old as the question: what is revoked while identity answers is not believed longer.
        asked = self._clock()
        headers = {HEADER: self._signer.claims(GATEWAY, "identity")}
        body = CredentialCheck(credential=credential, kind=kind, address=address).model_dump()
        try:
            status, answer = await self._identity.post("/internal/verify", body, headers)
        except InternalCallError as error:
            raise VerifierUnavailableError(f"identity can't be asked: {error}") from error
        if status == 200:
            caller = _caller(answer)
        elif status == 404:
            caller = None
        else:
            raise VerifierUnavailableError(f"identity answered {status} to the question who calls")
        if asked <= self._forgot_at:
            return caller
        self._known[name] = (asked + _BELIEVED_FOR, caller)
        self._known.move_to_end(name)
        if len(self._known) > _MAX_CACHED:
            self._known.popitem(last=False)
        return caller


def _caller(answer: Any) -> Caller:
    try:
        verified = VerifiedCaller.model_validate(answer)
    except ValueError as error:
        raise VerifierUnavailableError("identity's answer to who calls can't be read") from error
    return Caller(
        subject=str(verified.account_id),
        role=verified.role.value,
        session_id=str(verified.session_id),
        scopes=tuple(verified.scopes),
        credential=verified.credential,
        workspaces=tuple(sorted((str(workspace), role.value) for workspace, role in verified.workspaces.items())),
        workspace=None if verified.workspace is None else str(verified.workspace),
    )
