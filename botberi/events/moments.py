"""A time as a person writes it -> a moment."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str, now: datetime) -> datetime:
    """Return an ISO 8601 date or time (UTC unless it says otherwise), or `15m`, `2h`, `3d` before now.

    Raises `ValueError` with what may be written.
    """
    ago = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip())
    try:
        if ago:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        time = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is no time: write 2026-01-31, 2026-01-31T14:00, 2026-01-31T14:00+02:00, or 15m, 2h, 3d for "
            "as long ago"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
