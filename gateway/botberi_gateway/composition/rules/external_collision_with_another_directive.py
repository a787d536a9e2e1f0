"""EXTERNAL_COLLISION_WITH_ANOTHER_DIRECTIVE: a field that another subgraph resolves has no @provides or @requires here.

https://www.apollographql.com/docs/graphos/reference/federation/errors#external_collision_with_another_directive
"""

from collections.abc import Iterator

from botberi_gateway.composition.problem import Problem, place
from botberi_gateway.composition.subgraph import SubgraphSchema


def check(schema: SubgraphSchema) -> Iterator[Problem]:
    if schema.was_upgraded:
        return
    for type_ in schema.objects():
        for field in type_.fields.values():
            if not field.has("external"):
                continue
            for name in ("provides", "requires"):
                for applied in field.applied(name):
                    message = f'[{schema.name}] "{field.coordinate}" can\'t be both @external and @{name}.'
                    code = "EXTERNAL_COLLISION_WITH_ANOTHER_DIRECTIVE"
                    yield Problem(code, message, place(schema.name, applied.node))
