"""A finished mail -> the mail server, or a file for developers; why it could not go, and whether it ever can."""

from __future__ import annotations

import contextlib
import logging
import smtplib
import ssl
from email.message import EmailMessage
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from shared_schema.private import make_private_folder, open_private
from workers.settings import IdentityWorkerSettings

logger = logging.getLogger(__name__)

_PORTS: Final = {"smtps": 465, "smtp": 587, "smtp+plain": 25}


class MailError(Exception):
    """The mail was not taken; trying again may help."""


class MailRefused(MailError):
    """The server will never take this mail."""


class Carrier(Protocol):
    """Where mails go."""

    def send(self, mail: EmailMessage, link: str | None) -> None:
        """Hand it over. Raises `MailError`, or `MailRefused` where it is of no use to try again."""


def make_carrier(settings: IdentityWorkerSettings) -> Carrier:
    """The mail server that the settings name, or a folder for developers."""
    if settings.smtp_url is not None:
        return SmtpServer(settings.smtp_url, settings.mail_timeout_seconds)
    return MailFolder(settings)


class SmtpServer:
    """A server that takes mails by SMTP; each mail has a connection of its own."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        parts = urlsplit(url)
        self._scheme = parts.scheme
        self._host = parts.hostname or "localhost"
        self._port = parts.port or _PORTS[parts.scheme]
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._timeout = timeout_seconds

    def send(self, mail: EmailMessage, link: str | None) -> None:
        """Implements `Carrier`."""
        try:
            with self._connected() as server:
                if self._user:
                    server.login(self._user, self._password)
                server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            [(code, text)] = error.recipients.values()
            raise _error(code, text) from error
        except smtplib.SMTPAuthenticationError as error:
            # Ours to put right, not the recipient's: the mail waits. The text may repeat the credentials.
            raise MailError(f"the mail server refused the credentials: {error.smtp_code}") from error
        except smtplib.SMTPResponseException as error:
            raise _error(error.smtp_code, error.smtp_error) from error
        except (smtplib.SMTPException, OSError) as error:
            raise MailError(f"{type(error).__name__}: {error}"[:500]) from error

    @contextlib.contextmanager
    def _connected(self):  # type: ignore[no-untyped-def]
        if self._scheme == "smtps":
            context = ssl.create_default_context()
            with smtplib.SMTP_SSL(self._host, self._port, timeout=self._timeout, context=context) as server:
                yield server
            return
        with smtplib.SMTP(self._host, self._port, timeout=self._timeout) as server:
            if self._scheme == "smtp":
                # A server that offers none, or whose offer was taken out on the way, gets no mail.
                server.starttls(context=ssl.create_default_context())
            yield server


def _error(code: int, text: bytes | str) -> MailError:
    said = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    kind = MailRefused if 500 <= code < 600 else MailError
    return kind(f"{code} {said}"[:500])


class MailFolder:
    """Development: each mail is a file of the state folder, and its link a line of the log."""

    def __init__(self, settings: IdentityWorkerSettings) -> None:
        self._folder = settings.state_dir / "mails"

    def send(self, mail: EmailMessage, link: str | None) -> None:
        """Implements `Carrier`; a mail that comes again replaces its file."""
        name = str(mail["Message-ID"]).strip("<>").partition("@")[0]
        try:
            make_private_folder(self._folder)
            with open_private(self._folder / f"{name}.eml") as file:
                file.write(bytes(mail))
        except OSError as error:
            raise MailError(f"can't write {name}.eml: {error.strerror}") from error
        about = f": {link}" if link else ""
        logger.info("mail to %s, %s (%s.eml in %s)%s", mail["To"], mail["Subject"], name, self._folder, about)
