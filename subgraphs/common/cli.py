"""`python -m subgraphs.<name> print-schema [--write]`: the SDL, to standard output or to schema.graphql."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def run(name: str, sdl: str, place: Path) -> int:
    """Do what the command line asks for the subgraph whose package is at `place`."""
    parser = argparse.ArgumentParser(prog=f"python -m subgraphs.{name}", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    printing = commands.add_parser("print-schema", help="print the subgraph's SDL")
    printing.add_argument("--write", action="store_true", help="write it to the package's schema.graphql")
    arguments = parser.parse_args()
    if arguments.write:
        (place / "schema.graphql").write_text(sdl, encoding="utf-8")
    else:
        sys.stdout.write(sdl)
    return 0
