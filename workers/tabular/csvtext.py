"""A header and rows of cells -> CSV text (RFC 4180), which spreadsheets read as data and never as formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

CONTENT_TYPE = "text/csv; charset=utf-8"
# Spreadsheets take text that begins so as a formula, and any user's table may hold it: it is written behind a quote.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a line for the header and for each row; numbers stay numbers, a missing value is an empty cell."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow([_cell(name) for name in header])
    writer.writerows([_cell(value) for value in row] for row in rows)
    return written.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
