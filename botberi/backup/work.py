"""`botberi backup` and `botberi restore`: databases and files <-> one archive, encrypted if a key is named."""

import contextlib
import json
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyrage

from botberi.backup import tables
from botberi.databases import database_urls
from botberi.postgres import EmbeddedPostgres
from botberi.postgres_places import PostgresError
from botberi.run.errors import StartError
from botberi.settings import BackupSettings
from shared_schema.artifacts import Storage, StorageError, make_storage
from shared_schema.migrate import DATABASES, MigrationError, upgrade
from shared_schema.private import open_private

_FORMAT: Final = 1
_MANIFEST: Final = "manifest.json"
_NAMES: Final = re.compile(r"manifest\.json|(user_psql|shared_psql)/[a-z0-9_]+\.copy|artifacts/[0-9]+")
_MAGIC: Final = b"age-encryption.org/"
_FILES: Final = """
    SELECT storage_key, content_type, name FROM instance_artifacts WHERE promoted_at IS NOT NULL ORDER BY storage_key
"""


def backup(settings: BackupSettings, file: Path, recipient: str | None) -> None:
    """Write the archive, whole or not at all, and say what is in it."""
    to = None if recipient is None else _recipient(recipient)
    if file.exists():
        raise StartError(f"{file} exists. Name a new file.")
    manifest = _backup(settings, file, to)
    rows = sum(sum(counts.values()) for counts in manifest["rows"].values())
    how = "encrypted" if to else "NOT encrypted: it shows every account to anybody who reads it"
    print(f"{file}: {rows} rows, {manifest['files']} files of runs, {file.stat().st_size} bytes, {how}.")
    for key in manifest["missing_files"]:
        print(f"  a file was gone (its instance was deleted meanwhile, or it is lost): {key}")


def restore(settings: BackupSettings, file: Path, identity: Path | None) -> None:
    """Fill both empty databases and the storage of files from the archive, and say what came.

    Without databases in the settings, those of the state folder, whose server must not run: it runs for this alone.
    """
    urls: dict[str, str]
    with contextlib.ExitStack() as stack:
        if settings.user_database_url is None and settings.shared_database_url is None:
            try:
                server = stack.enter_context(EmbeddedPostgres(settings.state_dir, 0))
            except PostgresError as error:
                raise StartError(f"Postgres can't be started: {error}") from error
            urls = {str(name): server.url(name) for name in DATABASES}
        else:
            urls = database_urls(settings)
        manifest = _restore(settings, urls, file, identity)
    rows = sum(sum(counts.values()) for counts in manifest["rows"].values())
    print(f"{rows} rows and {manifest['files']} files of {manifest['made_at']} are there. Start the platform.")


def make_key(file: Path) -> None:
    """Make a key that opens backups, and print what they are encrypted to."""
    if file.exists():
        raise StartError(f"{file} exists. Name a new file.")
    made = pyrage.x25519.Identity.generate()
    with open_private(file) as out:
        out.write(f"{made}\n".encode())
    print(made.to_public())


def _backup(settings: BackupSettings, file: Path, to: Any) -> dict[str, Any]:
    urls = database_urls(settings)
    storage = make_storage(settings)
    with tempfile.TemporaryDirectory(prefix=".botberi-backup-", dir=file.resolve().parent) as name:
        folder = Path(name)
        # Instances first: whatever account one of them names was there before it, and is in the later snapshot. Files
        # last: those of an instance in the snapshot are kept for as long as its row is.
        with tables.snapshot(urls["shared_psql"]) as shared, tables.snapshot(urls["user_psql"]) as user:
            connections = {"user_psql": user, "shared_psql": shared}
            manifest: dict[str, Any] = {
                "format": _FORMAT,
                "version": version("botberi"),
                "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "revisions": {name: tables.revision(connection) for name, connection in connections.items()},
                "rows": {name: tables.dump(connection, folder / name) for name, connection in connections.items()},
                "artifacts": [],
                "missing_files": [],
            }
            for key, content_type, title in shared.execute(_FILES).fetchall():
                place = folder / "artifacts" / str(len(manifest["artifacts"]))
                place.parent.mkdir(exist_ok=True)
                if _fetch(storage, key, place):
                    manifest["artifacts"].append({"key": key, "content_type": content_type, "name": title})
                else:
                    manifest["missing_files"].append(key)
        manifest["files"] = len(manifest["artifacts"])
        (folder / _MANIFEST).write_text(json.dumps(manifest, indent=1))
        archive = folder / "archive"
        with tarfile.open(archive, "w:gz", compresslevel=6) as tar:
            for entry in (_MANIFEST, *DATABASES, "artifacts"):
                if (folder / entry).exists():
                    tar.add(folder / entry, arcname=entry)
        _write_whole(file, lambda out: _seal(archive, out, to))
    return manifest


def _fetch(storage: Storage, key: str, place: Path) -> bool:
    try:
        return storage.fetch(key, place)
    except StorageError as error:
        raise StartError(f"The files of runs can't be read: {error}") from error


def _seal(archive: Path, out: BinaryIO, to: Any) -> None:
    with archive.open("rb") as source:
        if to is None:
            shutil.copyfileobj(source, out)
        else:
            pyrage.encrypt_io(source, out, [to])


def _write_whole(file: Path, write: Callable[[BinaryIO], None]) -> None:
    draft = file.with_name(f".{file.name}.part")
    try:
        with open_private(draft) as out:
            write(out)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _restore(settings: BackupSettings, urls: Mapping[str, str], file: Path, identity: Path | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix=".botberi-restore-", dir=file.resolve().parent) as name:
        folder = Path(name)
        _open(file, identity, folder)
        manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_text())
        if manifest.get("format") != _FORMAT:
            raise StartError(f"{file} has format {manifest.get('format')}, this version reads {_FORMAT}.")
        try:
            for database in DATABASES:
                upgrade(database, urls[database], revision=manifest["revisions"][database])
                loaded = tables.load(urls[database], folder / database)
                if loaded != manifest["rows"][database]:
                    raise StartError(f"{database} took other rows than the backup has: {loaded}")
        except MigrationError as error:
            raise StartError(f"The databases can't be migrated: {error}") from error
        storage = make_storage(settings)
        for number, each in enumerate(manifest["artifacts"]):
            try:
                storage.put(each["key"], folder / "artifacts" / str(number), each["content_type"], each["name"])
            except StorageError as error:
                raise StartError(f"The files of runs can't be written: {error}") from error
        for database in DATABASES:
            upgrade(database, urls[database])
    return manifest


def _open(file: Path, identity: Path | None, folder: Path) -> None:
    """Unpack the archive, whose names are ours alone. Raises `StartError` for one that is damaged or another's."""
    try:
        with file.open("rb") as source:
            encrypted = source.read(len(_MAGIC)) == _MAGIC
        plain = file
        if encrypted:
            if identity is None:
                raise StartError(f"{file} is encrypted: name the key's file with --identity.")
            plain = folder / "archive"
            key = pyrage.x25519.Identity.from_str(identity.read_text().split()[-1])
            with file.open("rb") as source, open_private(plain) as out:
                pyrage.decrypt_io(source, out, [key])
        with tarfile.open(plain, "r:gz") as tar:
            for member in tar:
                # Whatever else an archive holds, such as a path that leads out of the folder, is not ours.
                content = tar.extractfile(member) if _NAMES.fullmatch(member.name) and member.isreg() else None
                if content is not None:
                    (folder / member.name).parent.mkdir(exist_ok=True)
                    with open_private(folder / member.name) as out:
                        shutil.copyfileobj(content, out)
    except OSError as error:
        raise StartError(f"{error.filename or file} can't be read: {error.strerror or error}") from None
    except (tarfile.TarError, EOFError, pyrage.DecryptError, pyrage.IdentityError, ValueError, IndexError) as error:
        raise StartError(f"{file} can't be opened: {error or type(error).__name__}. Nothing was changed.") from None
    if not (folder / _MANIFEST).exists():
        raise StartError(f"{file} is no backup of this platform.")


def _recipient(text: str) -> Any:
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise StartError(
            f"--recipient {text!r} is no key of age (age1…); `botberi backup-key FILE` makes one."
        ) from None
