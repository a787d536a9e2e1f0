"""`botberi bench gateway | composition | …` (or `python -m bench`): each sub-command is a Typer app of its own room, hung in here."""

import sys
from collections.abc import Sequence

import click
import typer

from bench.composition import __main__ as composition
from bench.composition.scale import ScaleMissing
from bench.peers import PeersMissing

app = typer.Typer(
    name="botberi bench",
    help="Measure ours beside the peers (docs/performance.md).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(composition.app, name="composition")

#: What a person can mend: told in one line, exit code 2.
_MISSING = (PeersMissing, ScaleMissing)


@app.callback()
def _group() -> None:
    """A group even while it has one command."""


def main(arguments: Sequence[str]) -> int:
    """Run a command -> its exit code: 0 fine, 1 a goal or a check failed, 2 something is missing."""
    try:
        code = typer.main.get_command(app)(list(arguments), prog_name="botberi bench", standalone_mode=False)
    except _MISSING as error:
        print(f"botberi bench: {error}", file=sys.stderr)
        return 2
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    return code if isinstance(code, int) else 0
