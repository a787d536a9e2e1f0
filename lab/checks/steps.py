"""A command -> how it ended, with its output kept for when it failed."""

import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: The environment variable with the outcomes of the steps before pytest, a line each.
LINES: Final = "BOTBERI_CHECKS_LINES"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One step of `lab test`."""

    name: str
    ok: bool
    seconds: float
    output: str = ""
    #: Why a step was left out, for a person.
    skipped: str = ""

    def line(self) -> str:
        """One line of the summary."""
        if self.skipped:
            return f"{self.name:<14} skipped: {self.skipped}"
        return f"{self.name:<14} {'ok' if self.ok else 'FAILED'} in {self.seconds:.0f} s"


def run(
    name: str, command: Sequence[str], *, cwd: Path, timeout_seconds: float, env: Mapping[str, str] | None = None
) -> Outcome:
    """Run to the end; a command that can't be started or takes too long has failed."""
    began = time.monotonic()
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_seconds,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        said = error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else str(error.stdout or "")
        return Outcome(name, False, time.monotonic() - began, f"{said}\nnot done within {timeout_seconds:.0f} s")
    except OSError as error:
        return Outcome(name, False, time.monotonic() - began, f"{command[0]} can't be started: {error}")
    return Outcome(name, done.returncode == 0, time.monotonic() - began, done.stdout)


class Background:
    """Steps that run one after another beside everything else."""

    def __init__(self, steps: Sequence["Step"]) -> None:
        self._steps = steps
        self._outcomes: list[Outcome] = []
        self._thread = threading.Thread(target=self._work, daemon=True, name="background steps")
        self._thread.start()

    def _work(self) -> None:
        for step in self._steps:
            outcome = step.run()
            self._outcomes.append(outcome)
            if not outcome.ok:
                return

    def wait(self) -> list[Outcome]:
        """Outcomes of the steps, once all have ended; each is bounded, so this is."""
        self._thread.join()
        return self._outcomes


@dataclass(frozen=True, slots=True)
class Step:
    """A command to run later."""

    name: str
    command: Sequence[str]
    cwd: Path
    timeout_seconds: float
    env: Mapping[str, str] | None = None

    def run(self) -> Outcome:
        """Run it now."""
        return run(self.name, self.command, cwd=self.cwd, timeout_seconds=self.timeout_seconds, env=self.env)
