"""The command line of the catalog subgraph: print its SDL."""

from __future__ import annotations

import sys
from pathlib import Path

from subgraphs.catalog.schema import sdl
from subgraphs.common.cli import run

if __name__ == "__main__":
    sys.exit(run("catalog", sdl(), Path(__file__).parent))
