"""The storages: one suite over a folder and over a real S3-compatible server; and addresses that end."""

import subprocess
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from botberi.run.ports import free
from shared_schema.artifacts import ArtifactSettings, Storage, StorageError, make_storage
from shared_schema.artifacts.local import LocalFolder
from shared_schema.settings import SettingsError

SECRET = "not-so-secret-but-long-enough-for-a-test"


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """rclone's S3 server: it checks signatures as Amazon does."""
    folder = tmp_path_factory.mktemp("s3")
    (folder / "bucket").mkdir()
    port = free()
    program = Path(sysconfig.get_path("scripts")) / "rclone"
    command = [str(program), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"key,{SECRET}", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2)
            except urllib.error.HTTPError:
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail("rclone did not start")
                time.sleep(0.1)
            else:
                break
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def s3_settings(endpoint: str, **changes: Any) -> ArtifactSettings:
    given = {
        "artifacts_url": "s3://bucket/runs",
        "artifacts_s3_endpoint": endpoint,
        "artifacts_s3_access_key_id": "key",
        "artifacts_s3_secret_access_key": SECRET,
    }
    return ArtifactSettings(**{**given, **changes})


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "folder":
        return make_storage(ArtifactSettings(artifacts_url=f"file://{tmp_path}/files", artifacts_secret=SECRET))
    return make_storage(s3_settings(request.getfixturevalue("s3_endpoint")))


def read(storage: Storage, address: str) -> bytes | None:
    """What somebody gets who has the address and nothing else."""
    if isinstance(storage, LocalFolder):
        found = storage.open(address.rpartition("/")[2])
        return found.file.read_bytes() if found else None
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            assert answer.headers["content-disposition"] in (None, 'attachment; filename="a.csv"')
            return answer.read()  # type: ignore[no-any-return]
    except urllib.error.HTTPError as error:
        if error.code not in (400, 403, 404):
            raise
        return None


def test_a_file_is_kept_read_replaced_and_forgotten(storage: Storage, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for content in (b"a,b\n1,2\n", b"\x00" * 3_000_000, b""):
        source.write_bytes(content)
        storage.put("instances/1/1/a.csv", source, "text/csv", "a.csv")
        assert read(storage, storage.url("instances/1/1/a.csv", "text/csv", "a.csv", 60)) == content
    storage.delete("instances/1/1/a.csv")
    storage.delete("instances/1/1/a.csv")
    assert read(storage, storage.url("instances/1/1/a.csv", "text/csv", "a.csv", 60)) is None


def test_an_address_is_for_one_file_and_ends(storage: Storage, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    storage.put("a", source, "text/plain", "a.csv")
    address = storage.url("a", "text/plain", "a.csv", 1)
    place = len(address) - 10
    forged = address[:place] + ("b" if address[place] != "b" else "c") + address[place + 1 :]
    assert read(storage, forged) is None
    time.sleep(2.1)
    assert read(storage, address) is None


def test_a_wrong_key_and_a_server_that_is_away_say_so(s3_endpoint: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    wrong = make_storage(s3_settings(s3_endpoint, artifacts_s3_secret_access_key="wrong"))
    with pytest.raises(StorageError, match="PermissionDenied") as caught:
        wrong.put("a", source, "text/plain", "a")
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize("key", ["../out", "a/../../out", "/etc/passwd"])
def test_no_key_leads_out_of_the_folder(tmp_path: Path, key: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    with pytest.raises(StorageError, match="leads out"):
        LocalFolder(tmp_path / "files", lambda: b"s").put(key, source, "text/plain", "a")


def test_an_address_signed_with_another_secret_is_none(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    ours, theirs = LocalFolder(tmp_path / "files", lambda: b"ours"), LocalFolder(tmp_path / "files", lambda: b"theirs")
    ours.put("a", source, "text/plain", "a")
    assert read(ours, ours.url("a", "text/plain", "a", 60)) == b"x"
    assert read(ours, theirs.url("a", "text/plain", "a", 60)) is None
    for nonsense in ("", ".", "a.b", "ä.b", "x" * 5_000, "e30.e30"):
        assert ours.open(nonsense) is None


@pytest.mark.parametrize("url", ["ftp://x/y", "s3:", "file://host/x", "/tmp/x"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="BOTBERI_ARTIFACTS_URL"):
        make_storage(ArtifactSettings(artifacts_url=url, artifacts_secret=SECRET))


def test_a_secret_is_made_once_for_all_parts_of_a_folder(tmp_path: Path) -> None:
    one = make_storage(ArtifactSettings(state_dir=tmp_path))
    two = make_storage(ArtifactSettings(state_dir=tmp_path))
    (tmp_path / "source").write_bytes(b"x")
    one.put("a", tmp_path / "source", "text/plain", "a")
    assert read(two, one.url("a", "text/plain", "a", 60)) == b"x"
    assert (tmp_path / "keys" / "artifacts.key").stat().st_mode & 0o077 == 0
