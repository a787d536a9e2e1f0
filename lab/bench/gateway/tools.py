"""The Go sources in `go/` -> the subgraphs' server and the load generator, built once for each state of them."""

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lab.bench.peers import CACHE, PeersMissing

SOURCES = Path(__file__).with_name("go")
BUILD_TIMEOUT = 300.0


@dataclass(frozen=True)
class Tools:
    """Paths of the two programs."""

    subgraphs: Path
    load: Path


def go() -> str | None:
    """The `go` command, on PATH or where its own archive puts it."""
    return shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")


@cache
def build() -> Tools:
    """The programs, built if needed. Raises `PeersMissing` without Go."""
    compiler = go()
    if compiler is None:
        raise PeersMissing("The benchmark's subgraphs and load generator are written in Go: install Go 1.22 or later.")
    sources = sorted(path for path in SOURCES.rglob("*") if path.suffix in (".go", ".mod"))
    state = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    folder = CACHE / f"go-{state}"
    tools = Tools(folder / "subgraphs", folder / "load")
    if tools.subgraphs.exists() and tools.load.exists():
        return tools
    folder.mkdir(parents=True, exist_ok=True)
    # Standard library only: nothing is fetched.
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GOPROXY": "off"}
    command = [compiler, "build", "-trimpath", "-o", f"{folder}{os.sep}", "./subgraphs", "./load"]
    try:
        subprocess.run(command, cwd=SOURCES, env=env, check=True, capture_output=True, text=True, timeout=BUILD_TIMEOUT)
    except subprocess.CalledProcessError as error:
        raise PeersMissing(f"go can't build {SOURCES}: {error.stderr.strip()[-800:]}") from error
    return tools
