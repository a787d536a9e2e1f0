"""The state folder -> the development accounts' e-mail addresses and passwords, made once, for their owner alone."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from botberi.postgres_places import make_state_folder
from botberi.run.errors import StartError

FILE_NAME: Final = "credentials.json"
ADMIN_EMAIL: Final = "admin@botberi.dev"
USER_EMAIL: Final = "user@botberi.dev"


@dataclass(frozen=True, slots=True)
class Credential:
    """One account that a developer signs in with."""

    role: str
    email: str
    password: str

    def __repr__(self) -> str:
        return f"Credential(role={self.role!r}, email={self.email!r})"


def kept_in(state_dir: Path, output: TextIO) -> Path | None:
    """File to name in place of passwords; None where `output` is a terminal, which a person reads and nothing keeps.

    Anything else is a log: of a container, a service or a test.
    """
    return None if output.isatty() else state_dir / FILE_NAME


def load_or_make(state_dir: Path) -> tuple[Credential, ...]:
    """The admin's and the user's credential; new passwords where none are kept yet."""
    path = state_dir / FILE_NAME
    if path.exists():
        return _read(path)
    accounts = tuple(
        Credential(role, email, secrets.token_urlsafe(15))
        for role, email in (("admin", ADMIN_EMAIL), ("user", USER_EMAIL))
    )
    make_state_folder(state_dir)
    # Written aside and renamed: an interrupted start leaves no half file behind.
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(
            {account.role: {"email": account.email, "password": account.password} for account in accounts},
            file,
            indent=2,
        )
    draft.replace(path)
    return accounts


def _read(path: Path) -> tuple[Credential, ...]:
    try:
        kept = json.loads(path.read_text())
        return tuple(Credential(role, kept[role]["email"], kept[role]["password"]) for role in ("admin", "user"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StartError(
            f"{path} can't be read ({error!r}). Remove it to get new passwords at the next start."
        ) from None
