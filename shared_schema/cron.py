"""A cron expression and a time zone -> when it fires next; and what is wrong with either.

Five fields, as cron(8) of Debian reads them: lists, ranges, steps, names of months and days, `L` and `#`. Where the
clock goes forward, what would fall into the gap fires right after it; where it goes back, what falls into the repeated
hour fires once.
"""

from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

MAX_EXPRESSION: Final = 120
MAX_ZONE: Final = 64
_ALIASES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}


class CronError(ValueError):
    """The expression is none, never fires, or the time zone is unknown; the text is for the person who wrote it."""


@lru_cache(maxsize=256)
def zone(name: str) -> tzinfo:
    """The time zone of an IANA name. Raises `CronError`."""
    try:
        # A path into the file system is no name; ZoneInfo refuses those, and so do names that are too long here.
        if len(name) > MAX_ZONE:
            raise ValueError
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise CronError(f"{name[:MAX_ZONE]!r} is not the name of a time zone, such as Europe/Berlin.") from None


def next_firing(expression: str, time_zone: str, after: datetime) -> datetime:
    """The first firing after a moment, in UTC. Raises `CronError`."""
    where = zone(time_zone)
    text = _ALIASES.get(expression.strip(), expression)
    if len(expression) > MAX_EXPRESSION or len(text.split()) != 5:
        raise CronError(f"A cron expression has five fields (or is one of {', '.join(_ALIASES)}).")
    try:
        return next(CronSim(text, after.astimezone(where))).astimezone(UTC)
    except CronSimError as error:
        raise CronError(f"This is not a cron expression: {error}.") from None
    except StopIteration:
        raise CronError("This cron expression never fires.") from None
