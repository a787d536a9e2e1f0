"""`lab bench gateway | composition | …` (or `python -m lab.bench`): a sub-command is a Typer app of its own folder."""

import sys
from collections.abc import Sequence

import typer

from lab.bench import cold, losses
from lab.bench.attacks.command import attacks
from lab.bench.attacks.soak import soak
from lab.bench.composition import __main__ as composition
from lab.bench.composition.scale import ScaleMissing
from lab.bench.cost import cost
from lab.bench.events import events
from lab.bench.gateway.command import gateway
from lab.bench.peers import PeersMissing
from lab.bench.planner import CorpusMissing, planner
from lab.bench.subscriptions.command import subscriptions
from lab.bench.swaps import swaps
from lab.bench.upstream import client

app = typer.Typer(
    name="lab bench",
    help="Measure ours beside the peers (docs/performance.md).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(composition.app, name="composition")
app.command("gateway")(gateway)
app.command("subscriptions")(subscriptions)
app.command("planner")(planner)
app.command("events")(events)
app.command("cost")(cost)
app.command("client")(client)
app.command("attacks")(attacks)
app.command("soak")(soak)
app.command("cold")(cold.main)
app.command("losses")(losses.main)
app.command("swaps")(swaps)

#: Problems that a person can fix: they are printed in one line, with exit code 2.
_MISSING = (PeersMissing, ScaleMissing, CorpusMissing)


@app.callback()
def _group() -> None:
    """A group even while it has one command."""


def main(arguments: Sequence[str]) -> int:
    """Run a command -> its exit code: 0 fine, 1 a goal or a check failed, 2 something is missing."""
    try:
        app(list(arguments), prog_name="lab bench")
    except _MISSING as error:
        print(f"lab bench: {error}", file=sys.stderr)
        return 2
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0
