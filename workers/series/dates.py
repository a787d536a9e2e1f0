"""Dates -> the step between them, the place of each, and the dates that follow."""

from __future__ import annotations

import calendar
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Literal

from workers.workflow import WorkflowInputError

Frequency = Literal["hour", "day", "week", "month", "quarter", "year"]


def parse(text: str, path: str) -> datetime:
    """An ISO 8601 date or time; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise WorkflowInputError("BAD_DATE", f"{text!r} is no ISO 8601 date or time.", path=path) from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def find_frequency(gaps: list[timedelta]) -> Frequency:
    """The step that most gaps have."""
    common = Counter(gaps).most_common(1)[0][0].total_seconds() / 86_400
    bounds: tuple[tuple[float, float, Frequency], ...] = (
        (1 / 24.5, 1 / 23.5, "hour"),
        (0.95, 1.05, "day"),
        (6.9, 7.1, "week"),
        (27.5, 31.5, "month"),
        (89, 93, "quarter"),
        (364, 367, "year"),
    )
    for low, high, name in bounds:
        if low <= common <= high:
            return name
    raise WorkflowInputError(
        "UNEVEN_SERIES",
        "The dates follow no step of an hour, day, week, month, quarter or year; give plain values instead.",
        path="points",
    )


def step_of(start: datetime, moment: datetime, frequency: Frequency) -> int:
    """How many steps a moment is after the first."""
    months = (moment.year - start.year) * 12 + moment.month - start.month
    if frequency == "month":
        return months
    if frequency == "quarter":
        return months // 3
    if frequency == "year":
        return moment.year - start.year
    length = {"hour": 3600, "day": 86_400, "week": 604_800}[frequency]
    return round((moment - start).total_seconds() / length)


def moment_of(start: datetime, step: int, frequency: Frequency) -> datetime:
    """The moment so many steps after the first."""
    try:
        if frequency not in ("month", "quarter", "year"):
            return start + step * timedelta(hours={"hour": 1, "day": 24, "week": 168}[frequency])
        months = step * {"month": 1, "quarter": 3, "year": 12}[frequency]
        year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
        # The 31st of a month that has none is its last day.
        day = min(start.day, calendar.monthrange(year, month + 1)[1])
        return start.replace(year=year, month=month + 1, day=day)
    except (OverflowError, ValueError) as error:
        raise WorkflowInputError("BAD_DATE", "The forecast reaches beyond the year 9999.") from error
