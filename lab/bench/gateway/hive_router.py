"""Hive Router, as its crate -> its binary, built as its own release is, and a configuration."""

import os
import shutil
import subprocess
from pathlib import Path

import yaml

from lab.bench.peers import CACHE, PeersMissing

VERSION = "0.3.10"
#: Its dependencies ask for rustc 1.97.
TOOLCHAIN = "+nightly"
BUILD_TIMEOUT = 3_600.0


def router_binary() -> Path:
    """The binary; the first time it is built, which takes ten minutes or more. Raises `PeersMissing` without cargo."""
    root = CACHE / f"hive-router-{VERSION}"
    binary = root / "bin" / "hive_router"
    if binary.exists():
        return binary
    cargo = shutil.which("cargo") or shutil.which("cargo", path=str(Path.home() / ".cargo" / "bin"))
    if cargo is None:
        raise PeersMissing(
            "hive-router is a Rust crate: this needs cargo with a nightly toolchain (rustc 1.97 or later)."
        )
    print(f"lab bench: building hive-router {VERSION}; this is done once and takes a while", flush=True)
    # The release profile of its workspace, which a crate from the registry doesn't carry. `graphiql` replaces a page
    # whose build asks npm for a version that isn't there.
    env = {**os.environ, "CARGO_PROFILE_RELEASE_LTO": "fat", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "1"}
    command = [cargo, TOOLCHAIN, "install", "hive-router", "--version", VERSION, "--locked", "--features", "graphiql"]
    command += ["--bin", "hive_router", "--root", str(root)]
    try:
        subprocess.run(command, env=env, check=True, capture_output=True, text=True, timeout=BUILD_TIMEOUT)
    except subprocess.CalledProcessError as error:
        raise PeersMissing(f"cargo can't build hive-router: {error.stderr.strip()[-500:]}") from error
    except subprocess.TimeoutExpired as error:
        raise PeersMissing(f"cargo took more than {BUILD_TIMEOUT:.0f} s to build hive-router.") from error
    return binary


def router_config(supergraph: Path, port: int, dedupe: bool, *, forward: bool = False) -> str:
    """YAML: `dedupe` is the published benchmark's setting, identical requests in flight being answered once.

    With `forward` subgraphs get the client's `authorization`.
    """
    passed_on = {"headers": {"all": {"request": [{"propagate": {"named": "authorization"}}]}}}
    config = {
        "supergraph": {"source": "file", "path": str(supergraph)},
        "http": {"host": "127.0.0.1", "port": port},
        "log": {"level": "error"},
        **(passed_on if forward else {}),
        **({"subscriptions": {"enabled": True}} if "type Subscription" in supergraph.read_text() else {}),
        "traffic_shaping": {"all": {"dedupe_enabled": dedupe}, "router": {"dedupe": {"enabled": dedupe}}},
    }
    return yaml.safe_dump(config)
