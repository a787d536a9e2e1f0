"""`check`: two graphs, old and new -> what changed for clients."""

import json
from collections import Counter
from pathlib import Path

import typer

from botberi_gateway.commands.compose import composed, load_supergraph
from botberi_gateway.commands.console import BAD_INPUT, INVALID_GRAPH, fail, read
from botberi_gateway.commands.options import FailOn
from botberi_gateway.commands.sources import gather
from botberi_gateway.supergraph import Supergraph
from botberi_gateway.supergraph.changes import SEVERITIES, Severity, changes


def check(old: Path, new: Path, fail_on: FailOn, *, as_json: bool) -> None:
    """Print the changes; the exit code is 1 where one is as severe as `fail_on`, or more."""
    differences = changes(load(old).api_schema, load(new).api_schema)
    counts = Counter(change.severity for change in differences)
    refused: tuple[Severity, ...] = {
        FailOn.BREAKING: ("breaking",),
        FailOn.DANGEROUS: ("breaking", "dangerous"),
        FailOn.NEVER: (),
    }[fail_on]  # type: ignore[assignment]
    ok = not any(counts[severity] for severity in refused)
    if as_json:
        answer = {"ok": ok, "counts": {s: counts[s] for s in SEVERITIES}, "changes": [c.as_dict() for c in differences]}
        typer.echo(json.dumps(answer, indent=2))
    else:
        for severity in SEVERITIES:
            if counts[severity]:
                typer.echo(f"{severity} ({counts[severity]})")
            for change in differences:
                if change.severity == severity:
                    typer.echo(f"  {change.code} {change.message}")
        summary = ", ".join(f"{counts[s]} {s}" for s in SEVERITIES)
        typer.echo(f"{summary}." if differences else "Nothing changed for clients.")
    if not ok:
        raise typer.Exit(INVALID_GRAPH)


def load(path: Path) -> Supergraph:
    """A supergraph's SDL, a list of subgraphs (JSON, YAML), or a folder of subgraphs' SDL files."""
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix in (".graphql", ".graphqls", ".gql"))
        if not files:
            fail(BAD_INPUT, f"{path} has no .graphql files.")
        return composed(gather(files=files))
    if path.suffix.lower() in (".json", ".yaml", ".yml"):
        return composed(gather(lists=[path]))
    if "join__Graph" in read(path):
        return load_supergraph(path)
    return composed(gather(files=[path]))
