"""Parts, their addresses and accounts -> the short table that a start ends with."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from botberi.credentials import Credential

_TITLES: Mapping[str, str] = {
    "postgres": "Postgres",
    "identity": "identity subgraph",
    "catalog": "catalog subgraph",
    "instance": "instance subgraph",
    "broker": "event broker",
    "dispatcher": "dispatcher",
    "reaper": "reaper of lost runs",
    "catalog-tasks": "catalog's counting of runs",
    "worker": "agents worker",
    "identity-worker": "identity worker",
    "gateway": "gateway",
}

FIRST_QUERY = "{ agents(first: 3) { nodes { slug name summary publisher { displayName } } } }"


def show(
    console: Console,
    parts: Mapping[str, str],
    *,
    seconds: float,
    endpoint: str | None,
    accounts: Sequence[Credential],
    passwords_in: Path | None,
    bus: str,
) -> None:
    """Print it. With `passwords_in`, that file is named in place of the accounts' passwords."""
    table = Table(title=f"Botberi is running (started in {seconds:.1f} s)", title_justify="left", show_edge=False)
    table.add_column("part", style="bold", no_wrap=True)
    table.add_column("where", overflow="fold")
    for name, where in parts.items():
        table.add_row(_TITLES.get(name, name), where)
    table.add_row("event bus", bus)
    console.print()
    console.print(table)
    if endpoint:
        _ways_in(console, endpoint, accounts, passwords_in)
    console.print(Text("Ctrl-C stops everything.", style="dim"))


def _ways_in(console: Console, endpoint: str, accounts: Sequence[Credential], passwords_in: Path | None) -> None:
    console.print(Text.assemble("\nGraphiQL, and every GraphQL client: ", (endpoint, "bold")))
    for account in accounts:
        way = Text.assemble(f"  sign in ({account.role}): ", (account.email, "bold"))
        console.print(way if passwords_in else Text.assemble(way, "  ", (account.password, "bold")))
    if accounts and passwords_in:
        console.print(Text.assemble("Their passwords are in ", (str(passwords_in), "bold")), soft_wrap=True)
    elif accounts:
        user = accounts[-1]
        given = f"email: {json.dumps(user.email)}, password: {json.dumps(user.password)}"
        sign_in = (
            f"mutation {{ login(input: {{{given}}}) {{ ... on LoginSuccess {{ token }} ... on Error {{ message }} }} }}"
        )
        console.print("To sign in, in GraphiQL:")
        console.print(Text(f"  {sign_in}", style="cyan"), soft_wrap=True)
    console.print("A first query to paste:")
    console.print(Text(f"  {FIRST_QUERY}", style="cyan"), soft_wrap=True)
