"""SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES: the subgraphs that share a field can give objects of a common type.

Where the possible types only differ, the hint INCONSISTENT_RUNTIME_TYPES_FOR_SHAREABLE_RETURN is given.

https://www.apollographql.com/docs/graphos/reference/federation/errors#shareable_has_mismatched_runtime_types
"""

from collections.abc import Iterator, Sequence

from graphql import print_ast

from botberi_gateway.composition.merge_state import MergeState, Source
from botberi_gateway.composition.problem import Problem, places
from botberi_gateway.composition.subgraph import base_name
from botberi_gateway.supergraph import Supergraph


def check(supergraph: Supergraph, state: MergeState) -> Iterator[Problem]:
    for coordinate, sources in state.shared:
        problem = _mismatch(state, coordinate, sources)
        if problem is not None:
            yield problem


def _mismatch(state: MergeState, coordinate: str, sources: Sequence[Source]) -> Problem | None:
    names = [base_name(f.type) for _, _, f in sources]
    if not any(state.kinds.get(name) in ("INTERFACE", "UNION") for name in names):
        return None
    if any((t := s.types.get(base_name(f.type))) is not None and t.is_interface_object for s, _, f in sources):
        return None
    possible = {s.name: (s, s.possible_types(base_name(f.type)), f) for s, _, f in sources}
    nonempty = {name: entry for name, entry in possible.items() if entry[1]}
    sets = [entry[1] for entry in nonempty.values()]
    if len(nonempty) < 2 or all(entry == sets[0] for entry in sets):
        return None
    listing = "; ".join(f'{", ".join(sorted(types))} in "{name}"' for name, (_, types, _) in nonempty.items())
    at = places((schema.name, field.node) for schema, _, field in nonempty.values())
    kind = print_ast(sources[0][2].type)
    if set.intersection(*sets):
        message = f'"{coordinate}" ({kind}) is shared, but its possible types differ: {listing}.'
        return Problem("INCONSISTENT_RUNTIME_TYPES_FOR_SHAREABLE_RETURN", message, at, "WARN")
    message = f'"{coordinate}" ({kind}) is shared, but no type is possible in all subgraphs: {listing}.'
    return Problem("SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES", message, at)
