"""COST_APPLIED_TO_INTERFACE_FIELD: @cost stands on the fields of objects, as an interface resolves no fields.

The directive: https://www.apollographql.com/docs/graphos/reference/federation/directives#cost
"""

from collections.abc import Iterator

from botberi_gateway.composition.problem import Problem, place
from botberi_gateway.composition.subgraph import SubgraphSchema


def check(schema: SubgraphSchema) -> Iterator[Problem]:
    for type_ in schema.types.values():
        if type_.kind == "INTERFACE":
            for field in type_.fields.values():
                for applied in field.applied("cost"):
                    message = f'[{schema.name}] @cost can\'t be on "{field.coordinate}", a field of an interface.'
                    yield Problem("COST_APPLIED_TO_INTERFACE_FIELD", message, place(schema.name, applied.node))
