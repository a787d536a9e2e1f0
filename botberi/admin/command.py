"""The command group `botberi admin`."""

import sys
from typing import Annotated

import typer

from botberi.run.to_end import run_to_end
from shared_schema.states import Role

app = typer.Typer(name="admin", help="Make the first admin, and give roles.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(help="The account's e-mail address.")]


@app.command()
def create(
    email: Email,
    name: Annotated[str, typer.Option(help="The display name.")] = "Admin",
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read the password from standard input; else one is made and shown."),
    ] = False,
) -> None:
    """Make an account with the role admin."""
    from botberi.admin import work

    run_to_end(lambda: work.create(email, name, sys.stdin.readline().rstrip("\n") if password_stdin else None))


@app.command()
def grant(email: Email, role: Annotated[Role, typer.Argument(help="The account's role from now on.")]) -> None:
    """Give an account a role; its sessions end."""
    from botberi.admin import work

    run_to_end(lambda: work.grant(email, role))


@app.command()
def reseal() -> None:
    """Encrypt second factors with the first of BOTBERI_IDENTITY_SECRET's secrets, so that the others can go."""
    from botberi.admin import work

    run_to_end(work.reseal)
