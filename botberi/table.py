"""What runs, where, and who may sign in -> the short table that a start ends with."""

import json
from collections.abc import Mapping, Sequence

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
    "worker": "agents worker",
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
    bus: str,
) -> None:
    """Print it."""
    table = Table(title=f"Botberi is running (started in {seconds:.1f} s)", title_justify="left", show_edge=False)
    table.add_column("part", style="bold", no_wrap=True)
    table.add_column("where", overflow="fold")
    for name, where in parts.items():
        table.add_row(_TITLES.get(name, name), where)
    table.add_row("event bus", bus)
    console.print()
    console.print(table)
    if endpoint:
        _ways_in(console, endpoint, accounts)
    console.print(Text("Ctrl-C stops everything.", style="dim"))


def _ways_in(console: Console, endpoint: str, accounts: Sequence[Credential]) -> None:
    console.print(Text.assemble("\nGraphiQL, and every GraphQL client: ", (endpoint, "bold")))
    for account in accounts:
        console.print(
            Text.assemble(f"  sign in ({account.role}): ", (account.email, "bold"), "  ", (account.password, "bold"))
        )
    if accounts:
        user = accounts[-1]
        given = f"email: {json.dumps(user.email)}, password: {json.dumps(user.password)}"
        sign_in = (
            f"mutation {{ login(input: {{{given}}}) {{ ... on LoginSuccess {{ token }} ... on Error {{ message }} }} }}"
        )
        console.print("To sign in, in GraphiQL:")
        console.print(Text(f"  {sign_in}", style="cyan"), soft_wrap=True)
    console.print("A first query to paste:")
    console.print(Text(f"  {FIRST_QUERY}", style="cyan"), soft_wrap=True)
