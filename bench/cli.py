"""`botberi bench gateway | composition | …` (or `python -m bench`): each sub-command is a Typer app of its own room, hung in here."""

import sys
from collections.abc import Sequence

import typer

from bench.attacks.command import attacks
from bench.attacks.soak import soak
from bench.composition import __main__ as composition
from bench.composition.scale import ScaleMissing
from bench.events import events
from bench.gateway.command import gateway
from bench.peers import PeersMissing
from bench.planner import CorpusMissing, planner
from bench.subscriptions.command import subscriptions
from bench.upstream import client

app = typer.Typer(
    name="botberi bench",
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
app.command("client")(client)
app.command("attacks")(attacks)
app.command("soak")(soak)

#: What a person can mend: told in one line, exit code 2.
_MISSING = (PeersMissing, ScaleMissing, CorpusMissing)


@app.callback()
def _group() -> None:
    """A group even while it has one command."""


def main(arguments: Sequence[str]) -> int:
    """Run a command -> its exit code: 0 fine, 1 a goal or a check failed, 2 something is missing."""
    try:
        app(list(arguments), prog_name="botberi bench")
    except _MISSING as error:
        print(f"botberi bench: {error}", file=sys.stderr)
        return 2
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0
