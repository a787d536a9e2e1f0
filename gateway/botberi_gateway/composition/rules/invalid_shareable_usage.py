"""INVALID_SHAREABLE_USAGE: @shareable stands on objects and their fields, once in each declaration.

https://www.apollographql.com/docs/graphos/reference/federation/errors#invalid_shareable_usage
The directive: https://www.apollographql.com/docs/graphos/reference/federation/directives#shareable
"""

from collections.abc import Iterator

from botberi_gateway.composition.problem import Problem, place
from botberi_gateway.composition.subgraph import Applied, SubgraphSchema

_CODE = "INVALID_SHAREABLE_USAGE"


def check(schema: SubgraphSchema) -> Iterator[Problem]:
    for type_ in schema.composites():
        if type_.kind == "INTERFACE":
            for field in type_.fields.values():
                for applied in field.applied("shareable"):
                    message = (
                        f'[{schema.name}] "{field.coordinate}" is a field of an interface: @shareable is for objects.'
                    )
                    yield Problem(_CODE, message, place(schema.name, applied.node))
            continue
        yield from _repeated(schema, f'"{type_.name}"', list(type_.applied("shareable")))
        for field in type_.fields.values():
            yield from _repeated(schema, f'"{field.coordinate}"', list(field.applied("shareable")))


def _repeated(schema: SubgraphSchema, where: str, applications: list[Applied]) -> Iterator[Problem]:
    for extension in (False, True):
        here = [a for a in applications if a.on_extension is extension]
        if len(here) > 1 and not extension:
            message = f"[{schema.name}] {where} is marked @shareable more than once."
            yield Problem(_CODE, message, place(schema.name, here[1].node))
