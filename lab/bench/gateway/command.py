"""The options of `lab bench gateway` -> a run, its tables on the screen and in docs/performance.md, or its JSON."""

import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_PEERS = "hive-router,hive-gateway-rt,mercurius,apollo-gateway,hive-gateway"


def gateway(
    peers: Annotated[str, typer.Option(help="Peers to run beside ours; an empty text for none.")] = DEFAULT_PEERS,
    queries: Annotated[
        str | None,
        typer.Option(help="Of the public benchmark's queries: large,medium,small. With it no other workload runs."),
    ] = None,
    chosen: Annotated[
        str | None, typer.Option("--workloads", help="Workloads by name, `all`, or `headline`; --list has them.")
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Rounds; each gateway has its turn in each.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Within three minutes: short runs, no deduplication.")] = False,
    scaling: Annotated[
        bool | None, typer.Option(help="Measure how cost grows, too; by default in a run of everything.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print {query: {gateway: {cpu_ms, …}}} alone.")] = False,
    write: Annotated[
        bool | None,
        typer.Option(
            help="Renew docs/performance.md; by default each table of which everything was measured, without --quick."
        ),
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="In place of it all: where ours spends its time on one workload.")
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show the workloads, and end.")] = False,
) -> None:
    """Measure the gateway beside its peers: CPU a request, latency, memory, cold start (docs/performance.md)."""
    # The servers are in sessions of their own: ended like an exception, this process ends them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    from lab.bench.gateway import run, session
    from lab.bench.gateway.gateways import OURS, PEERS
    from lab.bench.gateway.workloads import workloads

    if listed:
        for name, one in workloads().items():
            typer.echo(f"{name:13} {one.graph:7} {one.title}")
        return
    names = _known(peers, PEERS, "--peers")
    wanted = _wanted(queries, chosen, list(workloads()))
    with tempfile.TemporaryDirectory(prefix="botberi-bench-") as folder:
        if profile:
            from lab.bench.gateway.profile import profiled

            for workload in run.by_name(wanted if queries or chosen else ["large"]):
                typer.echo("\n".join(profiled(workload, Path(folder))))
            return
        extent = session.extent(quick=quick, rounds=rounds)
        grows = scaling if scaling is not None else not (quick or as_json or queries or chosen)
        complete = set(names) == set(PEERS)
        made = session.measure([OURS, *names], wanted, extent, grows, Path(folder))
    if as_json:
        typer.echo(json.dumps(made.results.as_json(), indent=1))
    else:
        for lines in made.blocks.values():
            typer.echo("\n".join([*lines, ""]))
    for block in made.written(write=write, complete=complete and not quick):
        typer.echo(f"bench: renewed the {block} table of docs/performance.md", err=True)
    if made.failed:
        raise typer.Exit(1)


def _wanted(queries: str | None, chosen: str | None, every: list[str]) -> list[str]:
    from lab.bench.gateway.graphs.public import QUERIES

    if queries is not None:
        return _known(queries, QUERIES, "--queries")
    if chosen is None or chosen == "all":
        return every
    return list(QUERIES) if chosen == "headline" else _known(chosen, every, "--workloads")


def _known(text: str, names: list[str] | tuple[str, ...], option: str) -> list[str]:
    found = [word.strip() for word in text.split(",") if word.strip()]
    if unknown := [word for word in found if word not in names]:
        raise typer.BadParameter(f"{option}: {', '.join(unknown)} is none of {', '.join(names)}.")
    return list(dict.fromkeys(found))
