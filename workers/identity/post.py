"""A row of `mails` -> a mail that was handed over, or a row that waits for its next try, or one that is dropped."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from botberi_gateway.backoff import pause_after
from workers.identity.carrier import MailError, MailRefused
from workers.identity.letters import PAGES, Letter, write
from workers.identity.metrics import MAILS
from workers.identity.tools import Tools

logger = logging.getLogger(__name__)

#: Sent in place of the mail for a registration, an invitation or a new address that has an account already.
_KNOWN_ADDRESS: Final = "known_address"

_LOCK = text("""
    SELECT id, kind, recipient, language, account_id, data, expires_at, attempts, created_at FROM mails
    WHERE id = :id AND sent_at IS NULL AND dropped_at IS NULL FOR UPDATE SKIP LOCKED
""")
_ACCOUNT = text("""
    SELECT id, language, disabled_at FROM accounts WHERE lower(email) = lower(:address) AND deleted_at IS NULL
""")
_MARK_SENT = text(
    "UPDATE mails SET sent_at = clock_timestamp(), attempts = attempts + 1, last_error = NULL WHERE id = :id"
)
_MARK_USED = text("UPDATE mails SET used_at = clock_timestamp() WHERE id = :id")
_SET_ACCOUNT = text("UPDATE mails SET account_id = :account_id WHERE id = :id")
_MARK_DROPPED = text("""
    UPDATE mails SET dropped_at = clock_timestamp(), used_at = coalesce(used_at, clock_timestamp()), last_error = :why
    WHERE id = :id
""")
_RETRY_LATER = text("""
    UPDATE mails SET attempts = attempts + 1, last_error = :why,
        next_attempt_at = clock_timestamp() + make_interval(secs => :seconds)
    WHERE id = :id
""")


def send(tools: Tools, mail_id: UUID) -> str:
    """Send one mail, and return what became of it.

    The row is locked while the server takes the mail, so that no second worker sends it; a worker that dies between the
    server's acceptance and the commit leaves the row waiting, and the mail is sent again under the same Message-ID.
    """
    with tools.accounts.unit_of_work() as session:
        row = session.execute(_LOCK, {"id": mail_id}).one_or_none()
        if row is None:
            return "NOTHING"
        outcome = _send(tools, session, row)
    MAILS.labels(row.kind, outcome).inc()
    return outcome


def _send(tools: Tools, session: Session, row: Row[Any]) -> str:
    letter = _letter(tools, session, row)
    if letter is None:
        session.execute(
            _MARK_DROPPED, {"id": row.id, "why": "no account has the address or it is disabled, or the link has ended"}
        )
        return "DROPPED"
    settings = tools.settings
    site = settings.public_url or "Botberi"
    try:
        tools.carrier.send(write(letter, sender=settings.mail_from, site=site), letter.link)
    except MailRefused as error:
        logger.warning("the mail server refused mail %s (%s): %s", row.id, row.kind, error)
        session.execute(_MARK_DROPPED, {"id": row.id, "why": str(error)})
        return "REFUSED"
    except MailError as error:
        if datetime.now(UTC) - row.created_at > timedelta(seconds=settings.mail_max_age_seconds):
            logger.error("mail %s (%s) was tried for too long: %s", row.id, row.kind, error)
            session.execute(_MARK_DROPPED, {"id": row.id, "why": str(error)})
            return "GIVEN_UP"
        seconds = pause_after(row.attempts + 1, settings.mail_backoff_seconds, settings.mail_backoff_max_seconds)
        logger.warning("mail %s (%s) can't be sent, again in %.0f s: %s", row.id, row.kind, seconds, error)
        session.execute(_RETRY_LATER, {"id": row.id, "why": str(error)[:1000], "seconds": seconds})
        return "LATER"
    session.execute(_MARK_SENT, {"id": row.id})
    return "SENT"


def _letter(tools: Tools, session: Session, row: Row[Any]) -> Letter | None:
    """The mail to send, or None.

    Only here it is looked up whether an address has an account, so that the API answers alike.
    """
    kind, language = row.kind, row.language
    if row.expires_at is not None and row.expires_at <= datetime.now(UTC):
        return None
    account = session.execute(_ACCOUNT, {"address": row.recipient}).one_or_none()
    if kind == "reset":
        if account is None or account.disabled_at is not None:
            return None
        language = account.language
        session.execute(_SET_ACCOUNT, {"id": row.id, "account_id": account.id})
    if kind in ("registration", "invitation", "new_address") and account is not None:
        # The link would be of no use: it is marked as used, and the mail says that there is an account.
        kind, language = _KNOWN_ADDRESS, account.language
        session.execute(_MARK_USED, {"id": row.id})
    link = None
    if page := PAGES.get(kind):
        link = f"{tools.settings.public_url.rstrip('/')}/account/{page}#token={tools.keys.token(kind, row.id)}"
    data = dict(row.data)
    if "closes" in data:
        data["closes"] = datetime.fromisoformat(data["closes"])
    if row.expires_at is not None:
        data["until"] = row.expires_at
    return Letter(row.id, kind, row.recipient, language, row.created_at, data, link)
