"""JSON rows or CSV text -> `Table`: named columns of cells, all of one length."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.json_schema import SkipJsonSchema

from workers.workflow import WorkflowInputError, either

# Silhouettes and trees on this many rows take seconds, not minutes. The parameters of a run may take 1,000,000 bytes of
# JSON (`shared_schema.contracts.runs.MAX_PARAMETER_BYTES`): 200 for each row, and four for each character of CSV.
MAX_ROWS = 5_000
MAX_COLUMNS = 60
MAX_CSV_CHARACTERS = 240_000
MAX_CELL_CHARACTERS = 2_000

Cell = str | int | float | bool | None
CellText = Annotated[str, StringConstraints(max_length=MAX_CELL_CHARACTERS)]
CellNumber = Annotated[float, Field(allow_inf_nan=False)]
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=120)]
InputRow = Annotated[dict[ColumnName, CellText | int | CellNumber | bool | None], Field(max_length=MAX_COLUMNS)]

InputRows = Annotated[list[InputRow], Field(min_length=1, max_length=MAX_ROWS)]
CsvText = Annotated[str, StringConstraints(min_length=3, max_length=MAX_CSV_CHARACTERS)]


class TableInput(BaseModel):
    """The part of a workflow's input that is a table."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=either("rows", "csv"))

    # Limits stand on the types: on a field that may be None they would miss in the JSON Schema.
    rows: InputRows | SkipJsonSchema[None] = Field(
        default=None,
        title="Rows",
        description="The table as a list of objects, one a row; a key that is missing in a row is an empty cell. "
        "At most 5,000 rows; all parameters together may take 1,000,000 bytes of JSON.",
    )
    csv: CsvText | SkipJsonSchema[None] = Field(
        default=None,
        title="CSV text",
        description="The table as CSV with a header line; comma, semicolon, tab or | between the cells. "
        "At most 240,000 characters and 5,000 rows.",
    )
    columns: list[ColumnName] = Field(
        default_factory=list,
        title="Columns to use",
        description="Only these columns are looked at. Empty: all that carry information.",
        max_length=MAX_COLUMNS,
    )
    label_column: ColumnName | SkipJsonSchema[None] = Field(
        default=None,
        title="Label column",
        description="A column that names the rows (a customer's name, an order number); shown, never computed with.",
    )
    seed: int = Field(
        default=7,
        title="Seed",
        description="The same input with the same seed gives the same result.",
        ge=0,
        le=2**31 - 1,
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> TableInput:
        if (self.rows is None) == (self.csv is None):
            raise ValueError("Give the table either as rows or as csv")
        return self


@dataclass(frozen=True, slots=True)
class Table:
    """Columns in the order they came, each with a cell for every row; `labels` names the rows."""

    columns: dict[str, list[Cell]]
    labels: list[str] | None
    row_count: int

    def record(self, row: int) -> dict[str, Cell]:
        """The row as it was submitted."""
        return {name: cells[row] for name, cells in self.columns.items()}

    def label(self, row: int) -> str:
        return self.labels[row] if self.labels is not None else f"row {row + 1}"


def read_table(inputs: TableInput, *, min_rows: int) -> Table:
    """The submitted table, with the label column taken aside and only the wanted columns left."""
    columns = _from_rows(inputs.rows) if inputs.rows is not None else _from_csv(inputs.csv or "")
    row_count = len(next(iter(columns.values()))) if columns else 0
    if row_count < min_rows:
        raise WorkflowInputError(
            "TOO_FEW_ROWS", f"The table has {row_count} rows; at least {min_rows} are needed.", path="rows"
        )
    labels = None
    if inputs.label_column is not None:
        _require(columns, [inputs.label_column], "label_column")
        labels = ["" if cell is None else str(cell) for cell in columns.pop(inputs.label_column)]
    if inputs.columns:
        names = [name for name in dict.fromkeys(inputs.columns) if name != inputs.label_column]
        _require(columns, names, "columns")
        columns = {name: columns[name] for name in names}
    return Table(columns=columns, labels=labels, row_count=row_count)


def _require(columns: dict[str, list[Cell]], names: Sequence[str], path: str) -> None:
    missing = [name for name in names if name not in columns]
    if missing:
        raise WorkflowInputError(
            "UNKNOWN_COLUMN",
            f"No column {', '.join(map(repr, missing))}; the table has {', '.join(map(repr, columns))}.",
            path=path,
        )


def _from_rows(rows: Sequence[dict[str, Any]]) -> dict[str, list[Cell]]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len(names) > MAX_COLUMNS:
        raise WorkflowInputError(
            "TOO_MANY_COLUMNS", f"The rows have {len(names)} different keys; {MAX_COLUMNS} at most.", path="rows"
        )
    return {name: [row.get(name) for row in rows] for name in names}


def _from_csv(text: str) -> dict[str, list[Cell]]:
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=_delimiter(text), strict=True)
    names: list[str] = []
    body: list[list[str]] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not names:
                names = _header(cells)
                continue
            if len(cells) != len(names):
                raise WorkflowInputError(
                    "RAGGED_CSV",
                    f"Line {reader.line_num} has {len(cells)} cells, the header has {len(names)}.",
                    path="csv",
                )
            if len(body) == MAX_ROWS:
                raise WorkflowInputError("TOO_MANY_ROWS", f"The table has over {MAX_ROWS} rows.", path="csv")
            body.append([cell.strip()[:MAX_CELL_CHARACTERS] for cell in cells])
    except csv.Error as error:
        raise WorkflowInputError("BAD_CSV", f"Line {reader.line_num}: {error}.", path="csv") from error
    return {name: [cells[place] or None for cells in body] for place, name in enumerate(names)}


def _header(cells: Sequence[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    if not all(names):
        raise WorkflowInputError("BAD_CSV", "Every column of the header needs a name.", path="csv")
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise WorkflowInputError("BAD_CSV", f"Columns named twice: {', '.join(twice)}.", path="csv")
    if len(names) > MAX_COLUMNS:
        raise WorkflowInputError(
            "TOO_MANY_COLUMNS", f"The table has {len(names)} columns; {MAX_COLUMNS} at most.", path="csv"
        )
    return names


def _delimiter(text: str) -> str:
    """The candidate that the header line has most of; a table of one column has none, and reads as commas."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(",;\t|", key=header.count)
