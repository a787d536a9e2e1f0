"""The blocks of docs/data/migrations.md and docs/data/schema.md, as they stand, on a migrated database."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from gateway.tests.support.pages import blocks
from shared_schema import migrate
from shared_schema.database import Database
from shared_schema.ids import new_id
from shared_schema.models import Agent, Instance
from tests.platform.running import ROOT

MIGRATIONS = ROOT / "docs" / "data" / "migrations.md"
SCHEMA = ROOT / "docs" / "data" / "schema.md"


def test_the_calls_that_migrate(shared_database_url: str) -> None:
    [calls] = blocks(MIGRATIONS, "python")
    names = {name: getattr(migrate, name) for name in ("upgrade", "check", "current", "heads")}
    exec(compile(calls.text, str(MIGRATIONS), "exec"), {**names, "url": shared_database_url})
    assert migrate.current("shared_psql", shared_database_url) == migrate.heads("shared_psql")


def test_the_command_that_writes_a_revision(shared_database_url: str, tmp_path: Path) -> None:
    """In a copy, with a model that has a column more; the page's URL and number are placeholders."""
    [command] = [block.text for block in blocks(MIGRATIONS, "sh") if "alembic" in block.text]
    shutil.copytree(ROOT / "shared_schema", tmp_path / "shared_schema", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "alembic.ini", tmp_path / "alembic.ini")
    models = tmp_path / "shared_schema" / "models" / "shared.py"
    line = "    retired_at: Mapped[datetime | None]\n"
    assert line in models.read_text()
    models.write_text(models.read_text().replace(line, f"{line}    reviewed_at: Mapped[datetime | None]\n", 1))
    assert command.count("postgresql://…") == 1
    assert command.count("NNNN") == 1
    command = command.replace("postgresql://…", shared_database_url).replace("NNNN", "9999")
    command = command.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
    done = subprocess.run(
        ["sh", "-ec", command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [written] = (tmp_path / "shared_schema/migrations/shared_psql/versions").glob("9999_*.py")
    assert "op.add_column('agents', sa.Column('reviewed_at'" in written.read_text()


async def test_the_unit_of_work(shared_database_url: str) -> None:
    [block] = blocks(SCHEMA, "python")
    database = Database(shared_database_url)
    agent = new_id()
    try:
        async with database.unit_of_work() as session:
            session.add(Agent(id=agent, slug="page", name="Page", workflow="page", publisher_id=new_id()))
        assert block.text.count("owner_id=..., agent_id=...") == 1
        text = block.text.replace("owner_id=..., agent_id=...", "owner_id=owner, agent_id=agent")
        program = f"async def run() -> None:\n{textwrap.indent(text, '    ')}"
        names: dict[str, Any] = {"database": database, "Instance": Instance, "agent": agent, "owner": new_id()}
        exec(compile(program, str(SCHEMA), "exec"), names)
        await names["run"]()
    finally:
        await database.aclose()
