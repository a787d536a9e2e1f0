"""The platform's command line: all of it, its parts, its data, its tests. The gateway's own is `botberi-gateway`."""

import sys
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from botberi.events.command import app as events_app
from botberi.run import extras
from botberi.run.errors import StartError
from botberi.run.to_end import end as _end
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


class FaultsBus(StrEnum):
    """What `faults` runs the platform on."""

    rabbitmq = "rabbitmq"
    memory = "memory"


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
    from botberi.platform import chosen
    from botberi.settings import UpSettings
    from botberi.up import up as start

    given = {"host": host, "port": port, "state_dir": state_dir, "postgres_port": postgres_port}
    overrides: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    _run(lambda: start(UpSettings(**overrides), chosen(only)))


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
def worker() -> None:
    """Run a Celery worker that computes runs."""
    from botberi.services import become_worker

    become_worker()


@app.command()
def flower(port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 4400) -> None:
    """Run Flower, the view of Celery's workers and tasks (RabbitMQ only)."""
    from botberi.services import become_flower

    become_flower(port)


@app.command()
def healthy(url: str) -> None:
    """Ask a part's health page; exit code 0 when it says it is well (for containers)."""
    from botberi.services import is_healthy

    raise typer.Exit(0 if is_healthy(url) else 1)


@app.command()
def fuzz(
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of graph and operation.")] = 10_000,
    seed: Annotated[int | None, typer.Option(help="Where to begin; from the clock by default, and printed.")] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the pairs.")] = 1,
    keep: Annotated[Path | None, typer.Option(help="Write failing cases, shrunk, as folders here.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0, help="End early after so long.")] = None,
    executor: Annotated[
        str, typer.Option(help="both (they must agree to the byte), compiled or interpreted.")
    ] = "both",
    deferred: Annotated[
        bool, typer.Option("--deferred", help="Operations with @defer alone, each with errors or failing calls.")
    ] = False,
    planted: Annotated[
        bool, typer.Option("--planted", help="Test the oracle: plant bugs, count which are found.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="With --planted: bugs with this in their title; may be repeated.")
    ] = None,
) -> None:
    """Compare the gateway with one monolith on random graphs and operations (docs/reference/fuzzing.md)."""
    from botberi.fuzzing import command
    from botberi_gateway.executor import ExecutorKind

    if executor not in tuple(ExecutorKind):
        _end(f"--executor {executor!r} is none of {', '.join(ExecutorKind)}.")
    if only and not (planted and command.bugs_named(only)):
        _end(
            f"--only {' '.join(only)}: " + ("no planted bug has that in its title." if planted else "needs --planted.")
        )
    if planted:
        raise typer.Exit(command.hunt_all(pairs, seed or 1, processes, only or ()))
    raise typer.Exit(command.run(pairs, seed, processes, keep, ExecutorKind(executor), minutes, deferred))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def bench(context: typer.Context) -> None:
    """Measure the gateway beside its peers: bench gateway, composition, … (in a checkout of the project)."""
    from botberi.benchmarks import run

    try:
        code = run(context.args)
    except StartError as error:
        _end(str(error))
    raise typer.Exit(code)


@app.command()
def faults(
    runs: Annotated[int, typer.Option(min=1, help="Instances to run.")] = 500,
    kills: Annotated[int, typer.Option(min=0, help="Kills at random moments; half as many disturbances beside.")] = 20,
    seed: Annotated[
        int | None, typer.Option(help="What happens to whom; from the clock by default, and printed.")
    ] = None,
    points: Annotated[int, typer.Option(min=0, help="Try each named kill point so many times, after that.")] = 0,
    minutes: Annotated[
        float | None, typer.Option(min=1, help="Begin nothing new after so long; the report says what ran.")
    ] = None,
    bus: Annotated[
        FaultsBus, typer.Option(help="What events travel on: RabbitMQ, or memory (embedded defaults, one process).")
    ] = FaultsBus.rabbitmq,
    keep: Annotated[Path | None, typer.Option(help="Keep trace and logs here, violations or not.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="End with one line of JSON.")] = False,
) -> None:
    """Run the platform on real servers while its parts are killed, and check that nothing is lost (docs/operations/faults.md)."""
    import time

    from botberi.faults import command
    from botberi.faults.run import Options

    chosen = seed if seed is not None else int(time.time()) % 1_000_000
    options = Options(runs, kills, chosen, points, minutes or float("inf"), bus.value)
    raise typer.Exit(command.run(options, keep, as_json=as_json))


app.add_typer(events_app)


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
