"""The pages of models: as the models are, with every table and relation, and true to the migrated databases."""

import subprocess
import sys
from pathlib import Path

import pytest

from docs.model_pages import FOLDER, PAGES, page

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("database", PAGES)
def test_a_page_is_what_the_models_say(database: str) -> None:
    written = (FOLDER / f"{database}_models.md").read_text(encoding="utf-8")
    assert written == page(database), "run `python docs/model_pages.py`"


@pytest.mark.parametrize("database", PAGES)
def test_the_diagram_has_every_table_and_every_foreign_key(database: str) -> None:
    diagram = page(database).partition("```mermaid")[2].partition("```")[0]
    for table in PAGES[database].metadata.tables.values():
        assert f"    {table.name} {{" in diagram
        for constraint in table.foreign_key_constraints:
            target = constraint.referred_table.name
            assert any(
                line.strip().startswith(f"{target} ") and f" {table.name} :" in line for line in diagram.splitlines()
            )


def test_the_command_writes_both_pages(tmp_path: Path) -> None:
    script = f"import docs.model_pages as m, pathlib; m.FOLDER = pathlib.Path({str(tmp_path)!r}); m.main()"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
    assert {file.name for file in tmp_path.iterdir()} == {"user_psql_models.md", "shared_psql_models.md"}


def test_a_column_has_the_comment_above_it() -> None:
    assert "| `password_hash` | varchar(255) | no |  | The PHC string of argon2id" in page("user_psql")
    assert "Check `ck_accounts_role`" in page("user_psql")
