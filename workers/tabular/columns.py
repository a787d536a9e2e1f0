"""Cells of a column -> what kind of column it is, and its values as numbers or categories."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from workers.tabular.table import Cell, Table

Kind = Literal["number", "date", "boolean", "category", "identifier", "text", "constant", "empty"]
USABLE: tuple[Kind, ...] = ("number", "date", "boolean", "category")

MISSING_WORDS = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "?", "missing", "unknown"})
BOOLEAN_WORDS = {"true": True, "yes": True, "y": True, "false": False, "no": False, "n": False}
# A few typos in a column of numbers are missing values, not a reason to drop the column.
ENOUGH = 0.95
MAX_LEVELS = 20
# A category that hardly repeats carries no shared information.
MAX_LEVEL_SHARE = 0.5

_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?$")
_DECIMAL_COMMA = re.compile(r"[+-]?\d{1,3}(\.?\d{3})*,\d+$|[+-]?\d+,\d+$")
_IDENTIFIER = re.compile(r"(^|[\s_.-])(id|uuid|guid|key|index|no|nr|#)$", re.IGNORECASE)
_CURRENCY = "€$£¥"


@dataclass(frozen=True, slots=True)
class Column:
    """One column, understood: `numbers` for number, date and boolean; `levels` for categories; None is missing."""

    name: str
    kind: Kind
    missing: int
    distinct: int
    numbers: list[float | None] | None = None
    levels: list[str | None] | None = None
    note: str | None = None

    @property
    def usable(self) -> bool:
        return self.kind in USABLE

    def say(self, row: int) -> str:
        """The row's value in words."""
        if self.levels is not None:
            return str(self.levels[row] or "missing")[:80]
        number = self.numbers[row] if self.numbers is not None else None
        if number is None:
            return "missing"
        return ("yes" if number else "no") if self.kind == "boolean" else self.show(number)

    def show(self, number: float) -> str:
        """A number of this column in the words of the column."""
        if self.kind == "date":
            return datetime.fromtimestamp(number * 86_400, tz=UTC).date().isoformat()
        if self.kind == "boolean":
            return f"{number:.0%} yes"
        return plain(number)


def plain(number: float) -> str:
    """A number as a person writes it: three or four significant digits, no exponent in everyday ranges."""
    if number == 0 or not math.isfinite(number):
        return "0" if number == 0 else str(number)
    if abs(number) >= 1e12 or abs(number) < 1e-4:
        return f"{number:.3g}"
    decimals = max(0, 3 - math.floor(math.log10(abs(number))))
    text = f"{number:,.{min(decimals, 7)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def understand(table: Table) -> list[Column]:
    """Every column of the table with its kind; the unusable ones say in `note` why."""
    return [_column(name, cells) for name, cells in table.columns.items()]


def _column(name: str, cells: Sequence[Cell]) -> Column:
    present = [cell for cell in cells if not _is_missing(cell)]
    missing = len(cells) - len(present)
    distinct = len({str(cell) for cell in present})
    if not present:
        return Column(name, "empty", missing, 0, note="The column is empty.")
    if distinct == 1:
        return Column(name, "constant", missing, 1, note=f"Every value is {str(present[0])[:60]!r}.")
    if _IDENTIFIER.search(name) and distinct == len(present):
        return Column(name, "identifier", missing, distinct, note="Every value differs: it names the row.")
    for kind, values in (("boolean", _booleans(cells)), ("number", _numbers(cells)), ("date", _dates(cells))):
        filled = sum(value is not None for value in values)
        if filled >= ENOUGH * len(present):
            unread = len(present) - filled
            note = f"{unread} values couldn't be read as a {kind} and count as missing." if unread else None
            if len({value for value in values if value is not None}) == 1:
                return Column(name, "constant", missing, 1, note="Every value is the same.")
            return Column(name, kind, missing + unread, distinct, numbers=values, note=note)  # type: ignore[arg-type]
    return _category(name, cells, missing, distinct, len(present))


def _category(name: str, cells: Sequence[Cell], missing: int, distinct: int, present: int) -> Column:
    if distinct > MAX_LEVEL_SHARE * present and distinct > 2:
        return Column(name, "text", missing, distinct, note="Free text: its values hardly repeat.")
    levels = [None if _is_missing(cell) else str(cell).strip() for cell in cells]
    note = None
    if distinct > MAX_LEVELS:
        common = {level for level, _ in Counter(filter(None, levels)).most_common(MAX_LEVELS - 1)}
        levels = [level if level is None or level in common else "(other)" for level in levels]
        note = f"The {distinct - len(common)} rarest of {distinct} values are taken together as (other)."
    return Column(name, "category", missing, distinct, levels=levels, note=note)


def _is_missing(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, str) and cell.strip().lower() in MISSING_WORDS)


def _booleans(cells: Sequence[Cell]) -> list[float | None]:
    def read(cell: Cell) -> float | None:
        if isinstance(cell, bool):
            return float(cell)
        known = BOOLEAN_WORDS.get(cell.strip().lower()) if isinstance(cell, str) else None
        return None if known is None else float(known)

    return [read(cell) for cell in cells]


def _numbers(cells: Sequence[Cell]) -> list[float | None]:
    """Numbers under the convention (1,234.5 or 1.234,5) that reads more of the column."""
    point = [_number(cell, decimal_comma=False) for cell in cells]
    comma = [_number(cell, decimal_comma=True) for cell in cells]
    return max((point, comma), key=lambda values: sum(value is not None for value in values))


def _number(cell: Cell, *, decimal_comma: bool) -> float | None:
    if isinstance(cell, bool) or cell is None:
        return None
    if isinstance(cell, (int, float)):
        try:
            number = float(cell)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None
    text = cell.strip().strip(_CURRENCY).rstrip("%").strip().replace("\u00a0", "")
    if decimal_comma and _DECIMAL_COMMA.match(text):
        text = text.replace(".", "").replace(",", ".")
    elif not decimal_comma and _THOUSANDS.match(text):
        text = text.replace(",", "")
    if not _PLAIN.match(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _dates(cells: Sequence[Cell]) -> list[float | None]:
    """Days since 1970 for ISO 8601 dates and times."""

    def read(cell: Cell) -> float | None:
        if not isinstance(cell, str) or not 8 <= len(cell.strip()) <= 35:
            return None
        try:
            moment = datetime.fromisoformat(cell.strip())
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() / 86_400

    return [read(cell) for cell in cells]
