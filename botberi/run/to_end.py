"""A command's work -> its exit code; errors that a person can fix are printed in words."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

import typer

from botberi.run.errors import StartError


def run_to_end(work: Callable[[], Coroutine[Any, Any, int | None]]) -> None:
    """Run to the end; errors that a person can fix are printed in words, without a traceback."""
    from pydantic import ValidationError

    from shared_schema.settings import SettingsError

    try:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(work())
    except ValidationError as error:
        problems = "; ".join(_problem(detail) for detail in error.errors())
        end(f"Settings are wrong: {problems}")
    except (StartError, SettingsError) as error:
        end(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    else:
        raise typer.Exit(code or 0)


def _problem(detail: Any) -> str:
    if not detail["loc"]:
        # Of several settings together: the text names them.
        return str(detail["msg"]).removeprefix("Value error, ")
    name = "_".join(str(word) for word in detail["loc"]).upper()
    return f"BOTBERI_{name}: {detail['msg']}"


def end(message: str) -> NoReturn:
    """Say on standard error why it is over, and end with exit code 1."""
    print(f"botberi: {message}", file=sys.stderr, flush=True)
    raise typer.Exit(1)
