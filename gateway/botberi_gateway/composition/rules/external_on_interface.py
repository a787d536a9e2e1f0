"""EXTERNAL_ON_INTERFACE: a field of an interface can't be @external, as no subgraph resolves it.

https://www.apollographql.com/docs/graphos/reference/federation/errors#external_on_interface
"""

from collections.abc import Iterator

from botberi_gateway.composition.problem import Problem, place
from botberi_gateway.composition.subgraph import SubgraphSchema


def check(schema: SubgraphSchema) -> Iterator[Problem]:
    for type_ in schema.types.values():
        if type_.kind == "INTERFACE":
            for field in type_.fields.values():
                if field.has("external"):
                    message = (
                        f'[{schema.name}] "{field.coordinate}" is a field of an interface and can\'t be @external.'
                    )
                    yield Problem("EXTERNAL_ON_INTERFACE", message, place(schema.name, field.node))
