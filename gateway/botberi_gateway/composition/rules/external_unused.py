"""EXTERNAL_UNUSED: each @external field is used by a @key, @requires, @provides or an interface.

https://www.apollographql.com/docs/graphos/reference/federation/errors#external_unused
"""

from collections.abc import Iterator

from botberi_gateway.composition.problem import Problem, place
from botberi_gateway.composition.subgraph import SubgraphSchema


def check(schema: SubgraphSchema) -> Iterator[Problem]:
    for type_ in schema.composites():
        for field in type_.fields.values():
            place_ = (type_.name, field.name)
            if schema.is_external(type_, field) and place_ not in schema.used:
                message = (
                    f'[{schema.name}] "{field.coordinate}" is @external but no @key, @requires, @provides or interface '
                    "of this subgraph uses it: remove the field."
                )
                yield Problem("EXTERNAL_UNUSED", message, place(schema.name, field.node))
