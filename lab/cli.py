"""`.venv/bin/lab test · fuzz · faults · bench · docs · words · release`: equipment for tests and measurements."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from botberi.run import extras
from botberi.run.to_end import end

app = typer.Typer(
    name="lab",
    help="Test and measure the gateway and the platform: part of no wheel and of no image.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
#: For commands that hand all their arguments on.
_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


class FaultsBus(StrEnum):
    """Bus on which `faults` runs the platform."""

    rabbitmq = "rabbitmq"
    memory = "memory"


@app.command(context_settings=_PASSED_ON)
def test(context: typer.Context) -> None:
    """Run linters, types, import rules and all tests; with arguments, pytest with them."""
    from lab.checks.command import run

    raise typer.Exit(run(context.args))


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
    from botberi_gateway.executor import ExecutorKind
    from lab.fuzzing import command

    if executor not in tuple(ExecutorKind):
        end(f"--executor {executor!r} is none of {', '.join(ExecutorKind)}.")
    if only and not (planted and command.bugs_named(only)):
        end(f"--only {' '.join(only)}: " + ("no planted bug has that in its title." if planted else "needs --planted."))
    if planted:
        raise typer.Exit(command.hunt_all(pairs, seed or 1, processes, only or ()))
    raise typer.Exit(command.run(pairs, seed, processes, keep, ExecutorKind(executor), minutes, deferred))


@app.command(context_settings=_PASSED_ON)
def bench(context: typer.Context) -> None:
    """Measure the gateway beside its peers, and the platform: bench gateway, composition, … (lab/bench/README.md)."""
    from lab.bench.cli import main as run

    raise typer.Exit(run(context.args))


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
    """Run the platform while its parts are killed, and check that nothing is lost (docs/operations/faults.md)."""
    import time

    from lab.faults import command
    from lab.faults.run import Options

    chosen = seed if seed is not None else int(time.time()) % 1_000_000
    options = Options(runs, kills, chosen, points, minutes or float("inf"), bus.value)
    raise typer.Exit(command.run(options, keep, as_json=as_json))


@app.command(context_settings=_PASSED_ON)
def docs(context: typer.Context) -> None:
    """Build the documentation as a site with a search: docs [FOLDER], by default site/."""
    from lab.docs_site import main as run

    raise typer.Exit(run(context.args))


@app.command(context_settings=_PASSED_ON)
def words(context: typer.Context) -> None:
    """Count the words of the project's former dialect by room (docs/glossary.md)."""
    from lab.words import main as run

    raise typer.Exit(run(context.args))


@app.command(context_settings=_PASSED_ON)
def release(context: typer.Context) -> None:
    """Make a release: release VERSION, or release --draft VERSION to see its changelog (changes/README.md)."""
    from lab.release import main as run

    raise typer.Exit(run(context.args))


def main() -> None:
    """Run a command; a package that is missing is named with what installs it."""
    try:
        app(prog_name="lab")
    except ModuleNotFoundError as error:
        advice = extras.advice(error)
        if advice is None:
            raise
        print(f"lab: {advice}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
