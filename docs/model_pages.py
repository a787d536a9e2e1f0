"""The models of each database -> `data/<database>_models.md`: every table, column, key and check, and a diagram.

`python docs/model_pages.py` writes both pages; a test fails where they differ from the models.
"""

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapper
from sqlalchemy.schema import CreateIndex

from shared_schema.models import SharedBase, UserBase

PAGES: Final[dict[str, type[DeclarativeBase]]] = {"user_psql": UserBase, "shared_psql": SharedBase}
FOLDER: Final = Path(__file__).parent / "data"
_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]


def page(database: str) -> str:
    """The page of one database, in Markdown."""
    mappers = sorted(PAGES[database].registry.mappers, key=lambda mapper: _table(mapper).name)
    parts = [
        f"# Models of `{database}`",
        "Made from [`shared_schema/models`](../../shared_schema/models) by `python docs/model_pages.py`. What"
        "\ntriggers hold, and what the tables are for, is in [schema.md](schema.md).",
        _diagram([_table(mapper) for mapper in mappers]),
        *(_section(mapper) for mapper in mappers),
    ]
    return "\n\n".join(parts) + "\n"


def _table(mapper: Mapper[Any]) -> Table:
    table = mapper.local_table
    assert isinstance(table, Table)
    return table


def _diagram(tables: Sequence[Table]) -> str:
    lines = ["```mermaid", "erDiagram"]
    for table in tables:
        lines.append(f"    {table.name} {{")
        for column in table.columns:
            marks = ["PK"] if column.primary_key else []
            marks += ["FK"] if column.foreign_keys else []
            kind = re.sub(r"\W+", "_", _type(column)).strip("_")
            lines.append(f"        {kind} {column.name}{' ' if marks else ''}{', '.join(marks)}")
        lines.append("    }")
    for table in tables:
        for constraint in sorted(table.foreign_key_constraints, key=lambda c: c.column_keys):
            least = "|o" if any(column.nullable for column in constraint.columns) else "||"
            lines.append(
                f"    {constraint.referred_table.name} {least}--o{{ {table.name} : {constraint.column_keys[0]}"
            )
    return "\n".join([*lines, "```"])


def _section(mapper: Mapper[Any]) -> str:
    table = _table(mapper)
    about = inspect.getdoc(mapper.class_) or ""
    lines = [
        f"## `{table.name}`",
        "",
        about,
        "",
        "| column | type | null | default | meaning |",
        "|---|---|---|---|---|",
    ]
    for column in table.columns:
        default = _default(column)
        null = "yes" if column.nullable else "no"
        cells = (
            f"`{column.name}`",
            _type(column),
            null,
            f"`{default}`" if default else "",
            _about(mapper.class_, column),
        )
        lines.append("| " + " | ".join(_cell(text) for text in cells) + " |")
    rules = [f"- {line}" for line in _rules(table)]
    return "\n".join([*lines, "", *rules])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _type(column: Column[Any]) -> str:
    return str(column.type.compile(dialect=_DIALECT)).lower()


def _default(column: Column[Any]) -> str:
    default = column.server_default
    if column.identity is not None:
        return "identity"
    argument = getattr(default, "arg", getattr(default, "sqltext", None))
    if argument is None:
        return "by trigger" if default is not None else ""
    return argument if isinstance(argument, str) else str(argument.compile(dialect=_DIALECT))


def _about(model: type[Any], column: Column[Any]) -> str:
    """The comment above the column, in the class that declares it."""
    for owner in model.__mro__:
        if column.name in vars(owner).get("__annotations__", {}):
            source = inspect.getsource(owner)
            found = re.search(rf"((?:^ +#.*\n)+)^ +{column.name}:", source, re.MULTILINE)
            return " ".join(line.strip(" #:") for line in found[1].splitlines()) if found else ""
    return ""


def _rules(table: Table) -> Iterator[str]:
    for constraint in sorted(table.constraints, key=lambda c: (type(c).__name__, str(c.name))):
        match constraint:
            case PrimaryKeyConstraint():
                yield f"Primary key: {_names(constraint.columns)}"
            case ForeignKeyConstraint():
                rule = f", on delete {constraint.ondelete.lower()}" if constraint.ondelete else ""
                yield f"{_names(constraint.columns)} refers to `{constraint.referred_table.name}`{rule}"
            case UniqueConstraint():
                yield f"Unique: {_names(constraint.columns)}"
            case CheckConstraint():
                text = str(constraint.sqltext.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))
                yield f"Check `{constraint.name}`: `{' '.join(text.split())}`"
    for index in sorted(table.indexes, key=lambda i: str(i.name)):
        yield _index(index)


def _names(columns: Any) -> str:
    return ", ".join(f"`{column.name}`" for column in columns)


def _index(index: Index) -> str:
    text = " ".join(str(CreateIndex(index).compile(dialect=_DIALECT)).split())
    _, _, rest = text.partition(" ON ")
    _, _, what = rest.partition(" ")
    return f"{'Unique index' if index.unique else 'Index'} `{index.name}`: `{what}`"


def main() -> int:
    """Write both pages."""
    for database in PAGES:
        (FOLDER / f"{database}_models.md").write_text(page(database), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
