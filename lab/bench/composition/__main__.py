"""`python -m lab.bench.composition random|show|scale|plans`: tables of performance.md, composition-differences.md."""

import sys
from typing import Annotated

import typer

from lab.bench.composition.scale import ScaleMissing
from lab.bench.peers import PeersMissing

app = typer.Typer(help="Composition beside the peers from npm.", no_args_is_help=True, add_completion=False)


@app.command("random")
def random_(
    cases: Annotated[int, typer.Option(min=1, help="How many sets.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="The first set's seed; the others follow.")] = 1,
    way: Annotated[str | None, typer.Option(help="Break every set in this way (a name from breakages.py).")] = None,
    least: Annotated[float, typer.Option(help="Fail below this agreement.")] = 0.995,
) -> None:
    """Compose random subgraph sets with ours and both peers; print agreement, and each difference with its seed."""
    from lab.bench.composition.random_sets import Table, outcomes

    table = Table()
    for outcome in outcomes(seed, cases, way):
        table.add(outcome)
        if outcome.differences:
            differences = "; ".join(outcome.differences[:3])
            guild = outcome.peers["guild"].summary()
            print(f"seed {outcome.seed} {outcome.way}: {differences} (guild: {guild})", flush=True)
    print("\n".join(table.lines()))
    if table.share < least:
        raise typer.Exit(1)


@app.command()
def show(seed: int, way: Annotated[str | None, typer.Option(help="As for `random`.")] = None) -> None:
    """Print a set and what everyone says of it."""
    from lab.bench.composition.composers import Peers
    from lab.bench.composition.random_sets import judge, random_set

    how, subgraphs = random_set(seed, way)
    for subgraph in subgraphs:
        print(f"# {subgraph.name}\n{subgraph.sdl}")
    with Peers() as peers:
        outcome = judge(seed, peers, way)
    print(f"# broken by: {how}")
    for name, verdict in {"ours": outcome.ours, **outcome.peers}.items():
        print(f"\n{name}: {verdict.summary()}", *verdict.messages, sep="\n  ")
    print("\ndifferences", *outcome.differences, sep="\n  ")


@app.command()
def scale(
    graphs: Annotated[list[str] | None, typer.Argument(help="s010 s050 s100 s200; all by default.")] = None,
    peers: Annotated[bool, typer.Option(help="Run the peers too.")] = True,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds after which a peer is stopped.")] = 420.0,
) -> None:
    """Time and peak memory on the large graphs, ours and the peers', as a Markdown table."""
    from lab.bench.composition.scale import GOALS, table

    for row in table(graphs or list(GOALS), peers, timeout):
        print(row, flush=True)


@app.command()
def plans(
    graphs: Annotated[list[str] | None, typer.Argument(help="s010 s050 s100 s200; all by default.")] = None,
) -> None:
    """CPU of our planner for the ten queries of each large graph, and fetches beside the better peer's, as a table."""
    from lab.bench.composition.plans import planned
    from lab.bench.composition.scale import GOALS

    print("| graph | query | CPU ms | fetches | better peer's |\n|---|---|---:|---:|---:|")
    for name in graphs or list(GOALS):
        for one in planned(name):
            peer = "none answered" if one.peer is None else one.peer
            print(
                f"| {one.graph} | {one.query} | {one.milliseconds:.0f} | {one.fetches or one.error} | {peer} |",
                flush=True,
            )


def main() -> None:
    """Run a command; a missing program or file is reported in one line."""
    try:
        app()
    except (PeersMissing, ScaleMissing) as error:
        print(f"bench: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
