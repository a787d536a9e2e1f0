"""Gateways that can be measured: how each is installed, configured, started; with deduplication in flight off or on."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.bench.gateway.hive_router import router_binary, router_config
from lab.bench.gateway.site import Site
from lab.bench.peers import ROOT, installed

GRAPHQL = "16.14.0"
HIVE = {"@graphql-hive/gateway": "2.15.1", "graphql": GRAPHQL}
HIVE_RT = {**HIVE, "@graphql-hive/router-runtime": "1.4.23"}
APOLLO = {"@apollo/gateway": "2.14.4", "@apollo/server": "5.5.1", "graphql": GRAPHQL}
MERCURIUS = {"@mercuriusjs/gateway": "5.2.0", "mercurius": "16.10.1", "fastify": "5.12.8", "graphql": GRAPHQL}
CONFIGS = Path(__file__).with_name("configs")
OURS = "botberi"


@dataclass(frozen=True)
class Launch:
    """How a gateway is started for one site."""

    command: list[str]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Gateway:
    """`launch(site, port, dedupe)`; `warm` is the CPU seconds after which its compilers have done their work."""

    name: str
    version: str
    install: Callable[[], Path]
    launch: Callable[[Site, int, bool], Launch]
    can_dedupe: bool = True
    warm: float = 4.0


def ours(site: Site, port: int, dedupe: bool, *extra: str) -> Launch:
    """The gateway's own server, as `botberi-gateway serve` starts it, with further options."""
    command = [
        *(sys.executable, "-m", "botberi_gateway", "serve", "--supergraph", str(site.supergraph), "--port", str(port)),
        # The peers write no line for each request either.
        *("--no-access-log", "--log-level", "warning", *extra),
        *(("--forward-header", "authorization") if site.graph.guarded else ()),
        *(("--share-queries", "--share-subgraph-requests") if dedupe else ()),
    ]
    return Launch(command, ROOT)


def _node(packages: Mapping[str, str], config: str, command: Callable[[Site, int], list[str]]) -> Callable[..., Launch]:
    """Configurations import packages, so they have to stand beside `node_modules`."""

    def launch(site: Site, port: int, dedupe: bool) -> Launch:
        folder = installed(packages)
        (folder / config).write_bytes((CONFIGS / config).read_bytes())
        env = {
            "NODE_ENV": "production",
            "PORT": str(port),
            "SUPERGRAPH": str(site.supergraph),
            "DEDUPE": "1" if dedupe else "",
            "SUBGRAPHS": str(site.folder / "federation-1.json"),
        }
        return Launch(command(site, port), folder, env)

    return launch


def _hive_command(config: str, *extra: str) -> Callable[[Site, int], list[str]]:
    def command(site: Site, port: int) -> list[str]:
        gateway = "node_modules/.bin/hive-gateway"
        return [gateway, "-c", config, "-h", "127.0.0.1", "-p", str(port), "supergraph", str(site.supergraph), *extra]

    return command


def _hive_router(site: Site, port: int, dedupe: bool) -> Launch:
    config = site.folder / f"hive-router-{port}.yaml"
    config.write_text(router_config(site.supergraph, port, dedupe, forward=site.graph.guarded))
    env = {"ROUTER_CONFIG_FILE_PATH": str(config), "HIVE_CONFIG_FILE_PATH": str(config), "RUST_LOG": "error"}
    return Launch([str(router_binary())], site.folder, env)


def _own_version() -> str:
    return f"this checkout, Python {sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"


ALL: dict[str, Gateway] = {
    one.name: one
    for one in (
        Gateway(OURS, _own_version(), lambda: ROOT, ours, warm=1.0),
        Gateway("hive-router", "0.3.10", router_binary, _hive_router, warm=0.5),
        Gateway(
            "hive-gateway-rt",
            "2.15.1 with router-runtime 1.4.23",
            lambda: installed(HIVE_RT),
            _node(HIVE_RT, "hive-gateway-rt.mjs", _hive_command("hive-gateway-rt.mjs")),
        ),
        Gateway(
            "mercurius",
            "gateway 5.2.0, mercurius 16.10.1",
            lambda: installed(MERCURIUS),
            _node(MERCURIUS, "mercurius.cjs", lambda *_: ["node", "mercurius.cjs"]),
            can_dedupe=False,
        ),
        Gateway(
            "apollo-gateway",
            "2.14.4",
            lambda: installed(APOLLO),
            _node(APOLLO, "apollo-gateway.mjs", lambda *_: ["node", "apollo-gateway.mjs"]),
            can_dedupe=False,
        ),
        Gateway(
            "hive-gateway",
            "2.15.1",
            lambda: installed(HIVE),
            _node(HIVE, "hive-gateway.mjs", _hive_command("hive-gateway.mjs", "--jit")),
        ),
    )
}

PEERS = tuple(name for name in ALL if name != OURS)


def cores() -> tuple[str | None, str | None]:
    """The gateway's core, and that of subgraphs and load; none where the machine has but one."""
    allowed = sorted(os.sched_getaffinity(0))
    return (str(allowed[0]), str(allowed[1])) if len(allowed) > 1 else (None, None)
