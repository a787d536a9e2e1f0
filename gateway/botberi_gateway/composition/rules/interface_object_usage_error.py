"""INTERFACE_OBJECT_USAGE_ERROR: an interface object has a key, and its subgraph has none of its implementations.

Another subgraph has it as an interface.

https://www.apollographql.com/docs/graphos/reference/federation/errors#interface_object_usage_error
The directive: https://www.apollographql.com/docs/graphos/reference/federation/directives#interfaceobject
"""

from collections.abc import Iterator, Sequence

from botberi_gateway.composition.problem import Problem, place, places
from botberi_gateway.composition.subgraph import SubgraphSchema

_CODE = "INTERFACE_OBJECT_USAGE_ERROR"


def check(schema: SubgraphSchema) -> Iterator[Problem]:
    for type_ in schema.objects():
        if type_.is_interface_object and not type_.keys:
            message = f'[{schema.name}] "{type_.name}" is an @interfaceObject, so it has to have a @key.'
            yield Problem(_CODE, message, place(schema.name, type_.node))


def check_together(schemas: Sequence[SubgraphSchema]) -> Iterator[Problem]:
    """The part of the rule that needs all subgraphs."""
    names = dict.fromkeys(t.name for s in schemas for t in s.objects() if t.is_interface_object)
    for name in names:
        owners = [(s, s.types[name]) for s in schemas if name in s.types]
        if all(t.is_interface_object for _, t in owners):
            yield Problem(
                _CODE,
                f'"{name}" is an @interfaceObject wherever it is; at least one subgraph has to define the interface.',
                places((s.name, t.node) for s, t in owners),
            )
        implementations = {t.name for s in schemas for t in s.objects() if name in t.interfaces}
        for schema, type_ in owners:
            present = sorted(n for n in implementations if n in schema.types)
            if type_.is_interface_object and present:
                listing = ", ".join(f'"{n}"' for n in present)
                yield Problem(
                    _CODE,
                    f'[{schema.name}] "{name}" is an @interfaceObject here, so its implementations ({listing}) '
                    "can't be here.",
                    places((schema.name, schema.types[n].node) for n in present),
                )
