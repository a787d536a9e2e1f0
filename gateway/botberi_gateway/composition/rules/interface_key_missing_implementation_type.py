"""INTERFACE_KEY_MISSING_IMPLEMENTATION_TYPE: a subgraph that resolves an interface by key has all its implementations.

https://www.apollographql.com/docs/graphos/reference/federation/errors#interface_key_missing_implementation_type
"""

from collections.abc import Iterator, Sequence

from botberi_gateway.composition.problem import Problem, place
from botberi_gateway.composition.subgraph import SubgraphSchema


def check(schemas: Sequence[SubgraphSchema]) -> Iterator[Problem]:
    for schema in schemas:
        for interface in schema.types.values():
            if interface.kind != "INTERFACE":
                continue
            key = next((k for k in interface.keys if k.arguments.get("resolvable") is not False), None)
            if key is None:
                continue
            everywhere = {
                t.name
                for s in schemas
                for t in s.objects()
                if interface.name in t.interfaces and not t.is_interface_object
            }
            here = schema.possible_types(interface.name)
            missing = sorted(everywhere - here)
            # an interface object stands for implementations of its own, as the reference counts for one of them
            if missing and len(here) < len(everywhere):
                listing = ", ".join(f'"{name}"' for name in missing)
                yield Problem(
                    "INTERFACE_KEY_MISSING_IMPLEMENTATION_TYPE",
                    f'[{schema.name}] The interface "{interface.name}" can be resolved by its key '
                    f'"{key.field_set()}" here, so {listing}, which implement it elsewhere, have to be here too.',
                    place(schema.name, key.node),
                )
