"""The project's one command line: the platform, its parts, its tests, and the gateway's own commands."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from botberi.run.errors import StartError

app = typer.Typer(
    name="botberi",
    help="A platform on which people run AI agents, and the GraphQL federation gateway it stands on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Host = Annotated[str | None, typer.Option(help="Where to listen [BOTBERI_HOST].")]
PortOption = Annotated[int | None, typer.Option(min=1, max=65535, help="The port to listen on [BOTBERI_PORT].")]
StateDir = Annotated[
    Path | None, typer.Option(help="Data, credentials and keys of the embedded parts [BOTBERI_STATE_DIR].")
]


@app.command()
def up(
    host: Host = None,
    port: PortOption = None,
    state_dir: StateDir = None,
    postgres_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The embedded Postgres' port [BOTBERI_POSTGRES_PORT].")
    ] = None,
    only: Annotated[str | None, typer.Option(help="Parts to start, such as gateway,instance; all by default.")] = None,
) -> None:
    """Start the whole platform, or some of its parts, and keep it running until Ctrl-C."""
    from botberi import up as starter
    from botberi.settings import UpSettings

    given = {"host": host, "port": port, "state_dir": state_dir, "postgres_port": postgres_port}
    overrides: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    _run(lambda: starter.up(UpSettings(**overrides), starter.chosen(only)))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def test(context: typer.Context) -> None:
    """Run linters, types, import rules and all tests; with arguments, pytest with them."""
    from botberi.checks.command import run

    raise typer.Exit(run(context.args))


@app.command()
def migrate() -> None:
    """Bring both databases to the newest schema."""
    from botberi import data
    from botberi.settings import SeedSettings

    _run(lambda: data.migrate(SeedSettings()))


@app.command()
def seed() -> None:
    """Write the built-in agents and templates, and development accounts, where they are missing."""
    from botberi import data
    from botberi.settings import SeedSettings

    _run(lambda: data.seed(SeedSettings()))


def _service(name: str, about: str) -> None:
    """A command that runs one part on its own, configured by the environment."""

    def command(host: Host = None, port: PortOption = None) -> None:
        from botberi import services

        _run(lambda: services.run(name, host, port))

    command.__doc__ = about
    app.command(name=name)(command)


_service("identity", "Run the identity subgraph on its own (port 8081).")
_service("catalog", "Run the catalog subgraph on its own (port 8082).")
_service("instance", "Run the instance subgraph on its own (port 8083).")
_service("gateway", "Run the gateway on its own (port 8080); the subgraphs by BOTBERI_…_URL.")


@app.command()
def healthy(url: str) -> None:
    """Ask a part's health page; exit code 0 when it says it is well (for containers)."""
    from botberi.services import is_healthy

    raise typer.Exit(0 if is_healthy(url) else 1)


def _run(work: Callable[[], Coroutine[Any, Any, int | None]]) -> None:
    """Run to the end; what a person can mend is told in words, without a traceback."""
    from shared_schema.settings import SettingsError

    try:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(work())
    except ValidationError as error:
        told = "; ".join(_told(one) for one in error.errors())
        _end(f"Settings are wrong: {told}")
    except (StartError, SettingsError) as error:
        _end(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    else:
        raise typer.Exit(code or 0)


def _told(one: Any) -> str:
    name = "_".join(str(word) for word in one["loc"]).upper()
    return f"BOTBERI_{name}: {one['msg']}"


def _end(message: str) -> None:
    print(f"botberi: {message}", file=sys.stderr, flush=True)
    raise typer.Exit(1)


def main() -> None:
    """What the installed script calls."""
    app()


if __name__ == "__main__":
    main()
