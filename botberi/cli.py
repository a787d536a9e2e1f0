"""The platform's command line: all of it, its parts, its data. The gateway's own is `botberi-gateway`."""

import asyncio
import sys
from collections.abc import Callable
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from botberi.admin.command import app as admin_app
from botberi.audit.command import app as audit_app
from botberi.events.command import app as events_app
from botberi.run import extras
from botberi.run.to_end import end
from botberi.run.to_end import run_to_end as _run

app = typer.Typer(
    name="botberi",
    help="A platform on which people run AI agents. Commands for any federated graph: botberi-gateway --help.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"botberi {version('botberi')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Options of `botberi` itself."""


Host = Annotated[str | None, typer.Option(help="Where to listen [BOTBERI_HOST].")]
PortOption = Annotated[int | None, typer.Option(min=1, max=65535, help="The port to listen on [BOTBERI_PORT].")]
StateDir = Annotated[
    Path | None, typer.Option(help="Data, credentials and keys of the embedded parts [BOTBERI_STATE_DIR].")
]


class Stack(StrEnum):
    """What `up` starts: everything in this process, or every part as a process of its own."""

    EMBEDDED = "embedded"
    FULL = "full"


@app.command()
def up(
    host: Host = None,
    port: PortOption = None,
    state_dir: StateDir = None,
    postgres_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The embedded Postgres' port [BOTBERI_POSTGRES_PORT].")
    ] = None,
    only: Annotated[str | None, typer.Option(help="Parts to start, such as gateway,instance; all by default.")] = None,
    stack: Annotated[
        Stack, typer.Option(help="full: each part a process of its own, with RabbitMQ, nginx and Prometheus.")
    ] = Stack.EMBEDDED,
) -> None:
    """Start the whole platform, or some of its parts, and keep it running until Ctrl-C."""
    from botberi.platform import chosen
    from botberi.settings import UpSettings
    from botberi.up import up as start

    given = {"host": host, "port": port, "state_dir": state_dir, "postgres_port": postgres_port}
    overrides: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if stack is Stack.FULL:
        from botberi.stack.full import up as start_full

        if only is not None:
            end("--only is for --stack embedded: --stack full starts every part.")
        _run(lambda: start_full(UpSettings(**overrides)))
    _run(lambda: start(UpSettings(**overrides), chosen(only)))


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


@app.command()
def identity(host: Host = None, port: PortOption = None) -> None:
    """Run the identity subgraph as a service of its own (port 8081)."""
    _serve("identity", host, port)


@app.command()
def catalog(host: Host = None, port: PortOption = None) -> None:
    """Run the catalog subgraph as a service of its own (port 8082)."""
    _serve("catalog", host, port)


@app.command()
def instance(host: Host = None, port: PortOption = None) -> None:
    """Run the instance subgraph as a service of its own (port 8083)."""
    _serve("instance", host, port)


@app.command()
def gateway(host: Host = None, port: PortOption = None) -> None:
    """Run the gateway as a service of its own (port 8080), over the subgraphs that BOTBERI_…_URL name."""
    _serve("gateway", host, port)


@app.command()
def broker() -> None:
    """Run the event broker: rows of the outbox to RabbitMQ."""
    _serve("broker")


@app.command()
def dispatcher() -> None:
    """Run the dispatcher (new runs to Celery) and the reaper (runs whose worker was lost)."""
    _serve("dispatcher")


@app.command()
def worker(
    queues: Annotated[
        str, typer.Option(help="What it works on: `agents` (runs) or `identity` (mails, closed accounts, exports).")
    ] = "agents",
) -> None:
    """Run a Celery worker: of runs, or of identity's background work."""
    from botberi.services import become_worker

    become_worker(queues)


@app.command("catalog-worker")
def catalog_worker() -> None:
    """Run a Celery worker of the catalog's own tasks: how often agents are run, and how it ends (RabbitMQ only)."""
    from botberi.services import become_catalog_worker

    become_catalog_worker()


@app.command()
def beat() -> None:
    """Run Celery's beat, which says when periodic tasks are due (RabbitMQ only; one of it)."""
    from botberi.services import become_beat

    become_beat()


@app.command()
def flower(
    port: Annotated[int, typer.Option(min=1, max=65535, envvar="FLOWER_PORT", help="The port to listen on.")] = 4400,
) -> None:
    """Run Flower, the view of Celery's workers and tasks (RabbitMQ only)."""
    from botberi.services import become_flower

    become_flower(port)


@app.command()
def healthy(url: str) -> None:
    """Ask a part's health page; exit code 0 when it says it is well (for containers)."""
    from botberi.services import is_healthy

    raise typer.Exit(0 if is_healthy(url) else 1)


keys_app = typer.Typer(name="keys", help="The keys with which the gateway signs who calls.", no_args_is_help=True)


@keys_app.command("list")
def list_keys(state_dir: StateDir = None) -> None:
    """List the keys in the state folder, newest first."""
    from botberi.key_files import list_keys as work

    _run(lambda: work(state_dir))


@keys_app.command("rotate")
def rotate_key(state_dir: StateDir = None) -> None:
    """Add a key. Gateways that run publish it at once, and sign with it 90 s later."""
    from botberi.key_files import rotate as work

    _run(lambda: work(state_dir))


@keys_app.command("prune")
def prune_keys(state_dir: StateDir = None) -> None:
    """Remove the keys that are signed with no more: all but the newest, once that signs."""
    from botberi.key_files import prune as work

    _run(lambda: work(state_dir))


app.add_typer(audit_app)
app.add_typer(keys_app)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The archive to write; a file that does not exist.")],
    recipient: Annotated[
        str | None, typer.Option(help="Encrypt it to this key (age1…), which `backup-key` prints.")
    ] = None,
    state_dir: StateDir = None,
) -> None:
    """Write both databases and the files of runs, as they are now, into one archive; the platform may run."""
    from botberi.backup import work
    from botberi.settings import BackupSettings

    _run_now(lambda: work.backup(BackupSettings(**_state(state_dir)), file, recipient))


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="An archive of `backup`.")],
    identity: Annotated[Path | None, typer.Option(help="The file that `backup-key` made.")] = None,
    state_dir: StateDir = None,
) -> None:
    """Fill two empty databases and the storage of files from an archive, before the platform starts on them."""
    from botberi.backup import work
    from botberi.settings import BackupSettings

    _run_now(lambda: work.restore(BackupSettings(**_state(state_dir)), file, identity))


@app.command("backup-key")
def backup_key(
    file: Annotated[Path, typer.Argument(help="Where to keep what opens backups: not beside them.")],
) -> None:
    """Make a key for encrypted backups; prints what `backup --recipient` takes."""
    from botberi.backup import work

    _run_now(lambda: work.make_key(file))


def _state(state_dir: Path | None) -> dict[str, Any]:
    return {} if state_dir is None else {"state_dir": state_dir}


def _run_now(work: Callable[[], None]) -> None:
    """Run what needs no event loop, with errors in words as `_run` has them."""

    async def run() -> None:
        await asyncio.to_thread(work)

    _run(run)


app.add_typer(events_app)
app.add_typer(admin_app)


def _serve(name: str, host: str | None = None, port: int | None = None) -> None:
    from botberi import services

    _run(lambda: services.run(name, host, port))


def main() -> None:
    """The installed script's entry point; a package that is missing is named with the extra that has it."""
    try:
        app()
    except ModuleNotFoundError as error:
        advice = extras.advice(error)
        if advice is None:
            raise
        print(f"botberi: {advice}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
