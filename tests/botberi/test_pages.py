"""Pages that say what there is are compared with what there is: services, tables."""

import re
from typing import Any

import pytest
import yaml
from sqlalchemy import MetaData

from shared_schema.models import SharedBase, UserBase
from tests.platform.running import ROOT

METADATA = {"user_psql": UserBase.metadata, "shared_psql": SharedBase.metadata}


def test_the_table_of_services_is_that_of_the_compose_file() -> None:
    page = (ROOT / "docs/architecture/README.md").read_text()
    table = page.split("## The services", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    said = {name: (command.strip("`").split(), port) for name, command, port, _ in rows[2:]}
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    there = {
        name: (own_command(service), ", ".join(map(outside, service.get("ports", []))))
        for name, service in services.items()
    }
    assert said == there


@pytest.mark.parametrize("database", METADATA)
def test_llms_txt_lists_every_table(database: str) -> None:
    [line] = re.findall(rf"^- Tables of `{database}`: (.*)$", (ROOT / "llms.txt").read_text(), re.MULTILINE)
    assert names(line) == tables(METADATA[database])


def test_the_page_of_tables_lists_every_table_of_each_database() -> None:
    listed: dict[str, set[str]] = {"user_psql": set(), "shared_psql": set()}
    databases: list[str] = []
    for line in (ROOT / "docs/data/schema.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 4 or not names(cells[2]):
            continue
        if cells[1]:
            databases = list(listed) if cells[1] == "both" else [cells[1].strip("`")]
        for database in databases:
            listed[database] |= names(cells[2])
    assert listed == {database: tables(metadata) for database, metadata in METADATA.items()}


def own_command(service: dict[str, Any]) -> list[str]:
    command: list[str] = service.get("command", [])
    return command if command[:1] == ["botberi"] else []


def outside(port: str) -> str:
    """`127.0.0.1:4400:4400`, `${BOTBERI_PUBLIC_PORT:-8080}:80` -> the port outside."""
    return re.sub(r"\$\{[A-Z_]+:-(\d+)\}", r"\1", port).split(":")[-2]


def names(text: str) -> set[str]:
    return set(re.findall(r"`([a-z_]+)`", text))


def tables(metadata: MetaData) -> set[str]:
    return set(metadata.tables)
