"""A `Case` <-> a readable folder: `subgraphs/*.graphql`, `monolith.graphql`, `operation.graphql`, `case.json`."""

import json
from dataclasses import asdict
from pathlib import Path

from lab.fuzzing.graph import Graph
from lab.fuzzing.pair import Case
from lab.fuzzing.world import Trouble


def write_case(case: Case, folder: Path, why: str, **more: str) -> Path:
    """`why` says what was wrong. Overwrites what is there."""
    (folder / "subgraphs").mkdir(parents=True, exist_ok=True)
    for name, sdl in case.graph.subgraphs.items():
        (folder / "subgraphs" / f"{name}.graphql").write_text(sdl.rstrip() + "\n")
    (folder / "monolith.graphql").write_text(case.graph.monolith.rstrip() + "\n")
    if case.graph.supergraph:
        (folder / "supergraph.graphql").write_text(case.graph.supergraph.rstrip() + "\n")
    (folder / "operation.graphql").write_text(case.document.rstrip() + "\n")
    facts = {"why": why, **more, "variables": dict(case.variables), "trouble": asdict(case.trouble)}
    (folder / "case.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    return folder


def operations(folder: Path) -> list[str]:
    """Operations of a case: one that was found, or those that were written for a kind of graph."""
    if (folder / "operation.graphql").exists():
        return ["operation.graphql"]
    return sorted(f"operations/{path.name}" for path in (folder / "operations").glob("*.graphql"))


def read_case(folder: Path, operation: str = "operation.graphql") -> tuple[Case, dict[str, str]]:
    """The case with one of its operations, and what else `case.json` says: `why`, and `xfail` with its reason."""
    facts = json.loads((folder / "case.json").read_text())
    trouble = facts.pop("trouble")
    trouble["failing"] = tuple(trouble["failing"])
    supergraph = folder / "supergraph.graphql"
    graph = Graph(
        (folder / "monolith.graphql").read_text(),
        {path.stem: path.read_text() for path in sorted((folder / "subgraphs").glob("*.graphql"))},
        supergraph.read_text() if supergraph.exists() else "",
    )
    document = (folder / operation).read_text()
    return Case(graph, document, facts.pop("variables"), Trouble(**trouble)), facts
