"""The command line of the instance subgraph: print its SDL."""

from __future__ import annotations

import sys
from pathlib import Path

from subgraphs.common.cli import run
from subgraphs.instance.schema import sdl

if __name__ == "__main__":
    sys.exit(run("instance", sdl(), Path(__file__).parent))
