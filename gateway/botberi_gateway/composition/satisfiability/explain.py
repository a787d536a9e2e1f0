"""A state and a field that can't be had there -> the error that says why, for each subgraph."""

from collections.abc import Iterator, Sequence

from botberi_gateway.composition.problem import Problem
from botberi_gateway.composition.satisfiability.reach import Position, Reach
from botberi_gateway.federation import parse_field_set


def explain(reach: Reach, state: tuple[str, frozenset[Position]], field: str, query: str) -> Problem:
    """`SATISFIABILITY_ERROR` with the query and a line for each subgraph that might have helped."""
    type_name, positions = state
    names = sorted({reach.graph.graphs[p.graph].name for p in positions})
    here = " and ".join(f'"{name}"' for name in names)
    lines = [f'No plan can answer {query}: "{type_name}.{field}" can\'t be had from {here}.']
    lines += [f"  {line}" for line in _reasons(reach, type_name, positions, field)]
    return Problem("SATISFIABILITY_ERROR", "\n".join(lines))


def explain_two(reach: Reach, coordinate: str, reasons: Sequence[tuple[Position, Problem]]) -> Problem:
    """`SATISFIABILITY_ERROR` of a shared mutation: no subgraph can begin every selection; it names one for each."""
    names = " and ".join(f'"{reach.graph.graphs[p.graph].name}"' for p, _ in reasons)
    lines = [
        f'No subgraph alone can answer all selections of "{coordinate}", which {names} share, and a mutation runs once.'
    ]
    for position, problem in reasons:
        name = reach.graph.graphs[position.graph].name
        lines.append(f'  If it begins in "{name}": {problem.message.partition(chr(10))[0]}')
    return Problem("SATISFIABILITY_ERROR", "\n".join(lines))


def _reasons(reach: Reach, type_name: str, positions: frozenset[Position], field: str) -> Iterator[str]:
    reached = reach.all_reached(type_name, positions)
    graphs = {p.graph for p in reached}
    if field == "__typename":
        yield (
            f'No subgraph on this way knows that the object is a "{type_name}": it comes from interface objects alone.'
        )
        return
    resolvers = {r.graph: r for r in reach.graph.resolvers(type_name, field)}
    for graph in reach.graph.graphs.values():
        resolver = resolvers.get(graph.graph)
        if graph.graph in graphs:
            if resolver is None:
                yield f'"{graph.name}" doesn\'t resolve "{type_name}.{field}".'
            else:
                yield f'"{graph.name}": {_unmet(reach, type_name, graph.graph, reached, resolver.field.requires)}'
        elif resolver is not None:
            yield f'"{graph.name}" resolves it, but {_no_way(reach, type_name, graph.graph, reached)}'


def _unmet(reach: Reach, type_name: str, graph: str, reached: set[Position], requires: str | None) -> str:
    if requires is None:
        return "a context that it needs is not set on this way."
    missing = reach.missing(type_name, reached, parse_field_set(requires))
    if missing is not None:
        return f'it @requires "{requires}", of which "{missing}" can\'t be had.'
    return f'it @requires "{requires}", but "{type_name}" has no resolvable @key there to come back by.'


def _no_way(reach: Reach, type_name: str, graph: str, reached: set[Position]) -> str:
    entries = [e for e in reach.graph.key_edges(type_name) if e.graph == graph]
    if not entries:
        return f'"{type_name}" has no resolvable @key there.'
    reasons = []
    for entry in entries:
        missing = reach.missing(type_name, reached, parse_field_set(entry.key))
        if missing is not None:
            reasons.append(f'its @key "{entry.key}" needs "{missing}", which can\'t be had')
    return (" and ".join(reasons) or "it can't be entered") + "."
