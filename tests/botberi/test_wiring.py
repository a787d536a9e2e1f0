"""Who calls: keys, assertions, the verifier's answers; and which events reach the gateway."""

import asyncio
import base64
import json
import os
import stat
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from botberi.run.errors import StartError
from botberi.wiring import keys
from botberi.wiring.assertion import ANONYMOUS, GATEWAY, AssertionSigner, Caller
from botberi.wiring.auth import AssertionHeaders, PlatformAuthenticator
from botberi.wiring.events import BusEventSource, source_event
from botberi.wiring.forgetting import ForgettingClient
from botberi.wiring.internal_call import InternalCallError
from botberi.wiring.verifier import Verifier, VerifierUnavailableError
from botberi_gateway.errors import EventSourceError
from botberi_gateway.transport.identity import Identity as TransportIdentity
from botberi_gateway.transport.port import Credentials, Unauthenticated
from botberi_gateway.upstream.port import SubgraphRequest, SubgraphResponse
from event_broker.memory import MemoryBus
from shared_schema.contracts.assertion import HEADER, Assertion
from shared_schema.contracts.events import Event, EventData
from shared_schema.ids import to_global_id

ACCOUNT, SESSION = uuid.uuid4(), uuid.uuid4()
SOMEBODY = Caller(str(ACCOUNT), "user", str(SESSION), ("instances:read",), "SESSION")


@pytest.fixture
def ring(tmp_path: Path) -> keys.KeyRing:
    return keys.load_folder(tmp_path / "keys")


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class TestKeys:
    def test_processes_that_start_together_agree_on_the_first_key(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(8) as threads:
            rings = list(threads.map(lambda _: keys.load_folder(tmp_path / "keys").jwks(), range(8)))
        assert rings == [rings[0]] * 8
        assert [path.name for path in (tmp_path / "keys").iterdir()] == ["assertion-1.pem"]

    def test_a_first_key_is_made_kept_and_readable_by_its_owner_alone(self, tmp_path: Path) -> None:
        folder = tmp_path / "keys"
        first, second = keys.load_folder(folder), keys.load_folder(folder)
        assert first.signing.kid == second.signing.kid
        [path] = folder.iterdir()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "d" not in first.jwks()["keys"][0], "the private half stays here"

    def test_a_newer_key_signs_while_the_older_is_still_published(self, tmp_path: Path) -> None:
        folder = tmp_path / "keys"
        old = keys.load_folder(folder).signing
        (folder / "assertion-1.pem").rename(folder / "kept.pem")
        (folder / "kept.pem").rename(tmp_path / "kept.pem")
        new = keys.load_folder(folder).signing
        (tmp_path / "kept.pem").rename(folder / "assertion-0.pem")
        for name, age in (("assertion-0.pem", 2000), ("assertion-1.pem", 1000)):
            os.utime(folder / name, (time.time() - age, time.time() - age))
        ring = keys.load_folder(folder)
        assert ring.signing.kid == new.kid
        assert {key["kid"] for key in ring.jwks()["keys"]} == {old.kid, new.kid}

    def test_the_kid_is_the_keys_thumbprint(self, ring: keys.KeyRing) -> None:
        jwk = ring.jwks()["keys"][0]
        assert OKPKey.import_key({name: jwk[name] for name in ("crv", "kty", "x")}).thumbprint() == jwk["kid"]

    @pytest.mark.parametrize("content", [b"", b"nonsense", None])
    def test_a_file_without_a_key_is_an_error(self, tmp_path: Path, content: bytes | None) -> None:
        path = tmp_path / "key.pem"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(StartError, match=r"key\.pem"):
            keys.load_file(path)


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
class TestAssertions:
    def claims(self, ring: keys.KeyRing, token: str) -> Assertion:
        jwk = ring.jwks()["keys"][0]
        decoded = jwt.decode(token, OKPKey.import_key(jwk), algorithms=["EdDSA"])
        assert decoded.header == {"alg": "EdDSA", "kid": jwk["kid"], "typ": "JWT"}
        return Assertion.model_validate(decoded.claims)

    def test_it_says_who_calls_whom_for_half_a_minute(self, ring: keys.KeyRing) -> None:
        claims = self.claims(ring, AssertionSigner(ring).sign(SOMEBODY, "catalog"))
        assert (claims.aud, claims.account_id, claims.role, claims.sid) == ("catalog", ACCOUNT, "user", SESSION)
        assert claims.scopes == ["instances:read"]
        assert claims.exp - claims.iat == 30

    def test_anonymous_callers_and_the_gateway_are_no_accounts(self, ring: keys.KeyRing) -> None:
        signer = AssertionSigner(ring)
        assert self.claims(ring, signer.sign(ANONYMOUS, "catalog")).account_id is None
        assert self.claims(ring, signer.sign(GATEWAY, "identity")).sub == "gateway"

    def test_one_is_used_again_for_ten_seconds_by_the_same_caller_for_the_same_subgraph(
        self, ring: keys.KeyRing
    ) -> None:
        clock = Clock()
        signer = AssertionSigner(ring, clock=clock)
        first = signer.sign(SOMEBODY, "catalog")
        assert signer.sign(SOMEBODY, "catalog") == first
        assert signer.sign(SOMEBODY, "identity") != first
        assert signer.sign(ANONYMOUS, "catalog") != first
        clock.now += 10.1
        second = signer.sign(SOMEBODY, "catalog")
        assert second != first
        assert payload(second)["iat"] == int(clock.now)

    def test_what_is_kept_is_bounded(self, ring: keys.KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("botberi.wiring.assertion._MAX_CACHED", 5)
        signer = AssertionSigner(ring)
        for number in range(20):
            signer.sign(Caller(str(number), "user"), "catalog")
        assert len(signer._cache) == 5

    def test_subgraphs_get_it_in_the_header_they_look_at(self, ring: keys.KeyRing) -> None:
        headers = AssertionHeaders(AssertionSigner(ring)).headers_for(SOMEBODY, "instance")
        assert list(headers) == [HEADER]
        assert payload(headers[HEADER])["aud"] == "instance"
        anonymous = AssertionHeaders(AssertionSigner(ring)).headers_for(None, "instance")
        assert payload(anonymous[HEADER])["sub"] == "anonymous"


def payload(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


class Identity:
    """Identity's endpoint: knows one credential, counts questions, answers when it is let."""

    def __init__(self) -> None:
        self.known = {"good"}
        self.asked: list[tuple[str, Any, Mapping[str, str]]] = []
        self.let = asyncio.Event()
        self.let.set()
        self.status: int | None = None

    async def post(self, path: str, body: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
        self.asked.append((path, body, headers))
        await self.let.wait()
        if self.status is not None:
            return self.status, None
        if body["credential"] not in self.known:
            return 404, None
        return 200, {
            "account_id": str(ACCOUNT),
            "role": "user",
            "scopes": ["instances:read"],
            "session_id": str(SESSION),
        }

    async def aclose(self) -> None:
        return None


class Silent:
    """A subgraph that has nothing to say."""

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        return SubgraphResponse(data={})

    def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        raise NotImplementedError

    async def aclose(self) -> None:
        return None


@pytest.fixture
def identity() -> Identity:
    return Identity()


class TestVerifier:
    async def test_an_answer_is_believed_for_a_second(self, ring: keys.KeyRing, identity: Identity) -> None:
        clock = Clock()
        verifier = Verifier(identity, AssertionSigner(ring), clock=clock)
        assert await verifier.verify("good", "bearer") == SOMEBODY
        identity.known.clear()
        assert await verifier.verify("good", "bearer") == SOMEBODY
        assert len(identity.asked) == 1
        clock.now += 1.01
        assert await verifier.verify("good", "bearer") is None
        path, body, headers = identity.asked[0]
        assert (path, body) == ("/internal/verify", {"credential": "good", "kind": "bearer", "address": None})
        assert payload(headers[HEADER])["sub"] == "gateway"

    async def test_what_an_account_just_changed_is_asked_again(self, ring: keys.KeyRing, identity: Identity) -> None:
        clock = Clock()
        signer = AssertionSigner(ring)
        verifier = Verifier(identity, signer, clock=clock)
        mine = await verifier.verify("good", "bearer")
        assert mine is not None
        clock.now += 0.1
        client = ForgettingClient(Silent(), verifier)
        # As the gateway sends them: by lower-case name.
        caller = TransportIdentity(None, AssertionHeaders(signer), (), {}).context(lambda: mine, {})
        headers = caller.subgraph_headers("identity")
        await client.execute(SubgraphRequest("{ me { id } }", headers=headers))
        await verifier.verify("good", "bearer")
        assert len(identity.asked) == 1
        await client.execute(SubgraphRequest("mutation { logout }", kind="mutation", headers=headers))
        clock.now += 0.1
        await verifier.verify("good", "bearer")
        assert len(identity.asked) == 2

    async def test_a_cookie_is_no_bearer_token(self, ring: keys.KeyRing, identity: Identity) -> None:
        verifier = Verifier(identity, AssertionSigner(ring))
        await verifier.verify("good", "bearer")
        await verifier.verify("good", "cookie")
        assert [body["kind"] for _, body, _ in identity.asked] == ["bearer", "cookie"]

    async def test_the_answer_is_as_old_as_the_question(self, ring: keys.KeyRing, identity: Identity) -> None:
        clock = Clock()
        verifier = Verifier(identity, AssertionSigner(ring), clock=clock)
        identity.let.clear()
        asking = asyncio.create_task(verifier.verify("good", "bearer"))
        await asyncio.sleep(0.01)
        clock.now += 2.0
        identity.let.set()
        assert await asking == SOMEBODY
        await verifier.verify("good", "bearer")
        assert len(identity.asked) == 2

    async def test_equal_questions_at_one_time_are_one_and_a_leaver_harms_no_other(
        self, ring: keys.KeyRing, identity: Identity
    ) -> None:
        verifier = Verifier(identity, AssertionSigner(ring))
        identity.let.clear()
        first, *others = [asyncio.create_task(verifier.verify("good", "bearer")) for _ in range(20)]
        await asyncio.sleep(0.01)
        first.cancel()
        identity.let.set()
        assert await asyncio.gather(*others) == [SOMEBODY] * 19
        assert len(identity.asked) == 1

    async def test_failures_are_not_remembered(self, ring: keys.KeyRing, identity: Identity) -> None:
        verifier = Verifier(identity, AssertionSigner(ring))
        identity.status = 500
        with pytest.raises(VerifierUnavailableError, match="500"):
            await verifier.verify("good", "bearer")
        identity.status = None
        assert await verifier.verify("good", "bearer") == SOMEBODY

    async def test_an_identity_that_is_away_is_reported_as_such(self, ring: keys.KeyRing, identity: Identity) -> None:
        async def away(*_: object) -> tuple[int, Any]:
            raise InternalCallError("connection refused")

        identity.post = away  # type: ignore[method-assign]
        with pytest.raises(VerifierUnavailableError, match="connection refused"):
            await Verifier(identity, AssertionSigner(ring)).verify("good", "bearer")

    async def test_what_is_kept_is_bounded_and_no_credential(
        self, ring: keys.KeyRing, identity: Identity, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("botberi.wiring.verifier._MAX_CACHED", 5)
        verifier = Verifier(identity, AssertionSigner(ring))
        for number in range(20):
            await verifier.verify(f"unknown {number}", "bearer")
        assert len(verifier._known) == 5
        assert "unknown" not in repr(verifier._known)

    async def test_nonsense_is_not_asked_about(self, ring: keys.KeyRing, identity: Identity) -> None:
        verifier = Verifier(identity, AssertionSigner(ring))
        for nonsense in ("", "x" * 513):
            assert await verifier.verify(nonsense, "bearer") is None
        assert identity.asked == []


class TestAuthenticator:
    @pytest.fixture
    def authenticator(self, ring: keys.KeyRing, identity: Identity) -> PlatformAuthenticator:
        return PlatformAuthenticator(Verifier(identity, AssertionSigner(ring)))

    async def test_the_header_wins_over_the_cookie(self, authenticator: PlatformAuthenticator) -> None:
        both = Credentials({"authorization": "Bearer good"}, {"botberi_session": "bad"})
        assert await authenticator.authenticate(both) == SOMEBODY
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(Credentials({"authorization": "Bearer bad"}, {"botberi_session": "good"}))

    async def test_a_good_cookie_and_an_ended_one(self, authenticator: PlatformAuthenticator) -> None:
        assert await authenticator.authenticate(Credentials({}, {"botberi_session": "good"})) == SOMEBODY
        assert await authenticator.authenticate(Credentials({}, {"botberi_session": "ended"})) is None
        assert await authenticator.authenticate(Credentials({}, {})) is None

    @pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic Z29vZA==", "good"])
    async def test_other_headers_are_refused(self, authenticator: PlatformAuthenticator, header: str) -> None:
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(Credentials({"authorization": header}, {}))


def event(topic: str, row: uuid.UUID, owner: uuid.UUID | None = None, version: int = 1) -> Event:
    data = EventData(id=row, version=version, owner_id=owner, status="RUNNING")
    return Event(id=uuid.uuid4(), source="botberi/shared_psql", type=topic, subject=row, data=data)


class TestEvents:
    def test_an_event_names_the_entity_as_the_supergraph_does(self) -> None:
        row = uuid.uuid4()
        found = source_event(event("instance.updated", row, ACCOUNT, 7))
        assert found is not None
        assert found.topic == "instance.updated"
        assert found.key == {"id": to_global_id("Instance", row)}
        assert found.attributes["id"] == found.key["id"]
        assert found.attributes["owner"] == str(ACCOUNT)
        assert found.attributes["version"] == 7

    def test_events_about_nothing_in_the_supergraph_stay_out(self) -> None:
        assert source_event(event("unheard.of", uuid.uuid4())) is None

    async def test_the_gateway_follows_the_bus(self) -> None:
        bus = MemoryBus()
        await bus.start()
        try:
            async with BusEventSource(bus).follow(["instance.*"]) as events:
                rows = [uuid.uuid4() for _ in range(3)]
                await bus.publish(event("agent.updated", rows[0]))
                await bus.publish(event("instance.created", rows[1]))
                await bus.publish(event("instance.updated", rows[2]))
                found = [await asyncio.wait_for(anext(events), 5) for _ in range(2)]
            assert [one.topic for one in found] == ["instance.created", "instance.updated"]
        finally:
            await bus.aclose()

    async def test_a_wrong_pattern_is_the_event_sources_error(self) -> None:
        bus = MemoryBus()
        await bus.start()
        try:
            with pytest.raises(EventSourceError):
                async with BusEventSource(bus).follow(["a.**.b"]):
                    raise AssertionError("not reached")
        finally:
            await bus.aclose()
