"""INTERFACE_FIELD_NO_IMPLEM: after merging, each implementation has every field of its interfaces.

https://www.apollographql.com/docs/graphos/reference/federation/errors#interface_field_no_implem
"""

from collections.abc import Iterator

from botberi_gateway.composition.merge_state import MergeState, names_of
from botberi_gateway.composition.problem import Problem, places
from botberi_gateway.supergraph import Supergraph


def check(supergraph: Supergraph, state: MergeState) -> Iterator[Problem]:
    for type_ in supergraph.types.values():
        if type_.kind not in ("OBJECT", "INTERFACE"):
            continue
        for name in type_.interfaces:
            interface = supergraph.types.get(name)
            if interface is None:
                continue
            for field in interface.fields:
                if field in type_.fields:
                    continue
                having = [(s, t.fields[field]) for s, t in state.sources(name) if field in t.fields]
                implementing = [(s, t) for s, t in state.sources(type_.name) if name in t.interfaces]
                yield Problem(
                    "INTERFACE_FIELD_NO_IMPLEM",
                    f'"{name}.{field}" is declared in {names_of(s for s, _ in having)}, but "{type_.name}", which '
                    f"implements it in {names_of(s for s, _ in implementing)}, has no such field.",
                    places((s.name, f.node) for s, f in having) + places((s.name, t.node) for s, t in implementing),
                )
