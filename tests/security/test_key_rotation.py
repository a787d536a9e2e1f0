"""Assertion keys rotate while everything runs: published before they sign, accepted until the last has expired."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from botberi.wiring import keys
from botberi.wiring.assertion import AssertionSigner, Caller
from shared_schema.contracts.assertion import LIFETIME_SECONDS
from subgraphs.common.assertion import AssertionVerifier
from subgraphs.common.keys import RefreshingKeys
from tests.platform.running import ROOT, clean_environment
from tests.security.test_w16_assertions import request

SOMEBODY = Caller("01890a5d-ac96-774b-bcce-b302099a8057", "user", None)


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def kids(ring: keys.KeyRing) -> Sequence[str]:
    return [key["kid"] for key in ring.jwks()["keys"]]


def age(path: Path, seconds: float) -> None:
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


def oldest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.pem"), key=lambda path: path.stat().st_mtime)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys.load_folder(tmp_path / "keys")
    [first] = (tmp_path / "keys").glob("*.pem")
    age(first, 3600)
    return tmp_path / "keys"


def test_a_new_key_is_published_at_once_and_signs_later(folder: Path) -> None:
    clock = Clock()
    ring = keys.load_folder(folder, clock=clock)
    old = ring.signing.kid
    new = keys.kid_of(keys.add_key(folder))
    clock.now += keys.LOOK_SECONDS
    assert ring.signing.kid == old
    assert kids(ring) == [old, new]
    clock.now += keys.PUBLISH_SECONDS - 1
    assert ring.signing.kid == old
    clock.now += 1
    assert ring.signing.kid == new
    assert kids(ring) == [new, old]


def test_a_key_that_is_removed_is_accepted_until_its_last_assertion_has_expired(folder: Path) -> None:
    clock = Clock()
    ring = keys.load_folder(folder, clock=clock)
    [first] = folder.glob("*.pem")
    old, new = ring.signing.kid, keys.kid_of(keys.add_key(folder))
    clock.now += keys.LOOK_SECONDS
    assert ring.signing.kid == old
    first.unlink()
    clock.now += keys.LOOK_SECONDS
    assert ring.signing.kid == new
    signed_at = clock.now
    assert kids(ring) == [new, old]
    clock.now = signed_at + LIFETIME_SECONDS
    assert old in kids(ring)
    clock.now = signed_at + keys.KEPT_SECONDS + keys.LOOK_SECONDS
    assert kids(ring) == [new]


def test_a_restart_goes_on_with_the_key_that_signed(folder: Path) -> None:
    ring = keys.load_folder(folder)
    old = ring.signing.kid
    keys.add_key(folder)
    assert keys.load_folder(folder).signing.kid == old


def test_a_file_that_is_half_written_changes_nothing(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    ring = keys.load_folder(folder, clock=clock)
    before = kids(ring)
    (folder / "z.pem").write_text("-----BEGIN PRIVATE KEY-----\nMC4C")
    for _ in range(3):
        clock.now += keys.LOOK_SECONDS
        assert kids(ring) == before
    assert [record.levelname for record in caplog.records].count("ERROR") == 1


def test_a_key_file_is_replaced_in_its_place(folder: Path, tmp_path: Path) -> None:
    [first] = folder.glob("*.pem")
    named = tmp_path / "named.pem"
    named.write_bytes(first.read_bytes())
    age(named, 3600)
    clock = Clock()
    ring = keys.load_file(named, clock=clock)
    old = ring.signing.kid
    added = keys.add_key(folder)
    added.replace(named)
    clock.now += keys.LOOK_SECONDS
    assert ring.signing.kid == old
    clock.now += keys.PUBLISH_SECONDS
    assert ring.signing.kid == keys.kid_of(named) != old


async def test_no_request_is_refused_while_two_gateways_rotate(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateways look at the folder at other times, and the subgraph keeps a JWKS for a minute."""
    clock = Clock()
    first = keys.load_folder(folder, clock=clock)
    clock.now += 2.5
    second = keys.load_folder(folder, clock=clock)
    monkeypatch.setattr("subgraphs.common.keys.time.monotonic", clock)
    monkeypatch.setattr("subgraphs.common.assertion.time.time", clock)
    turn = 0

    async def fetch() -> dict[str, Any]:
        nonlocal turn
        turn += 1
        return (first, second)[turn % 2].jwks()

    verifier = AssertionVerifier("catalog", RefreshingKeys(fetch, maximum_age=60.0, name="gateways"))
    signers = [AssertionSigner(ring, clock=clock) for ring in (first, second)]
    seen = set()
    for second_passed in range(0, 600, 2):
        clock.now += 2
        if second_passed == 60:
            keys.add_key(folder)
        if second_passed == 300:
            oldest_first(folder)[0].unlink()
        for signer in signers:
            body = str(second_passed).encode()
            token = signer.sign(SOMEBODY, "catalog", body=body)
            vouched = await verifier.verify(request(token), body)
            assert str(vouched.caller().account_id) == SOMEBODY.subject
            seen.add(signer._ring.signing.kid)
    assert len(seen) == 2


def test_the_commands_rotate_and_prune(folder: Path) -> None:
    def botberi(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "botberi.cli", "keys", command, f"--state-dir={folder.parent}"],
            cwd=ROOT,
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert "published at once" in botberi("rotate").stdout
    newest = max(folder.glob("*.pem"), key=lambda path: path.stat().st_mtime)
    assert newest.stat().st_mode & 0o077 == 0
    assert botberi("list").stdout.splitlines()[0].startswith(keys.kid_of(newest))
    too_early = botberi("prune")
    assert (too_early.returncode, len(list(folder.glob("*.pem")))) == (1, 2)
    age(newest, 200)
    assert botberi("prune").returncode == 0
    assert list(folder.glob("*.pem")) == [newest]
