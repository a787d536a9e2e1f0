"""A kind of mail, its values and a language -> the finished mail, as text and as HTML.

The texts are in `mails/<language>.toml`, the two forms in `mails/layout.txt` and `mails/layout.html`. No mail has a
text that another person chose: a name in it would make us send it to people who never asked.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from jinja2 import Environment, StrictUndefined, Template

FOLDER: Final = Path(__file__).parent / "mails"
DEFAULT_LANGUAGE: Final = "en"
#: A kind of mail with a link -> the page that the link opens; its token is behind the `#`, which no server sees.
PAGES: Final = {"registration": "verify", "new_address": "verify", "reset": "reset", "invitation": "register"}


@dataclass(frozen=True, slots=True)
class Letter:
    """What one mail is made of."""

    mail_id: UUID
    kind: str
    recipient: str
    language: str
    written_at: datetime
    data: Mapping[str, Any]
    link: str | None = None


@cache
def languages() -> frozenset[str]:
    """The languages that there are texts in."""
    return frozenset(path.stem for path in FOLDER.glob("*.toml"))


@cache
def _texts(language: str) -> Mapping[str, Any]:
    return tomllib.loads((FOLDER / f"{language}.toml").read_text())


@cache
def _layout(name: str) -> Template:
    environment = Environment(autoescape=name.endswith(".html"), undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.from_string((FOLDER / name).read_text())


@cache
def _text(source: str) -> Template:
    # Escaped once, by the HTML layout.
    return Environment(autoescape=False, undefined=StrictUndefined).from_string(source)  # noqa: S701


def write(letter: Letter, *, sender: str, site: str) -> EmailMessage:
    """The mail. The same letter has the same Message-ID each time that it is written."""
    language = letter.language if letter.language in languages() else DEFAULT_LANGUAGE
    texts = _texts(language)
    own = texts[letter.kind]
    values = {"site": site, **{name: _shown(value, texts) for name, value in letter.data.items()}}
    subject = _text(own["subject"]).render(values)
    shown = {
        "language": language,
        "subject": subject,
        "paragraphs": [_text(paragraph).render(values) for paragraph in own["paragraphs"]],
        "link": letter.link,
        "button": own.get("button", ""),
        "footer": texts["footer"],
    }
    mail = EmailMessage()
    mail["Subject"] = subject
    mail["From"] = sender
    mail["To"] = letter.recipient
    mail["Date"] = format_datetime(letter.written_at.astimezone(UTC))
    mail["Message-ID"] = f"<{letter.mail_id}@{parseaddr(sender)[1].rpartition('@')[2] or 'localhost'}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_layout("layout.txt").render(shown))
    mail.add_alternative(_layout("layout.html").render(shown), subtype="html")
    return mail


def _shown(value: Any, texts: Mapping[str, Any]) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return str(texts["changes"].get(value, value))
