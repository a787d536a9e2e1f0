"""Arguments of `botberi bench` -> the commands of `bench/`, which a checkout of the project has and a wheel doesn't."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from botberi.run.errors import StartError

_ROOT = Path(__file__).resolve().parents[1]


def run(arguments: Sequence[str]) -> int:
    """The command's exit code. Raises `StartError` where the folder is absent."""
    if not (_ROOT / "bench" / "cli.py").is_file():
        raise StartError(
            f"the benchmarks are no part of the installed package, and {_ROOT} has no bench/: "
            "run this in a checkout of the project (./start makes its .venv)."
        )
    if importlib.util.find_spec("bench") is None:
        sys.path.insert(0, str(_ROOT))
    from bench.cli import main

    return main(arguments)
