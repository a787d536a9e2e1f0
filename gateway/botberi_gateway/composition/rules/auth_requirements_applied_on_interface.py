"""AUTH_REQUIREMENTS_APPLIED_ON_INTERFACE: @authenticated, @requiresScopes, @policy are on objects and their fields.

The directives: https://www.apollographql.com/docs/graphos/reference/federation/directives#authenticated
"""

from collections.abc import Iterator

from botberi_gateway.composition.problem import Problem, place
from botberi_gateway.composition.subgraph import Element, SubgraphSchema

_GUARDS = ("authenticated", "requiresScopes", "policy")


def check(schema: SubgraphSchema) -> Iterator[Problem]:
    for type_ in schema.composites():
        if type_.kind != "INTERFACE" and not type_.is_interface_object:
            continue
        kind = "interface object" if type_.is_interface_object else "interface"
        elements: list[tuple[str, Element]] = [(f'the {kind} "{type_.name}"', type_)]
        if type_.kind == "INTERFACE":
            elements += [(f'"{f.coordinate}", a field of an {kind}', f) for f in type_.fields.values()]
        for where, element in elements:
            for name in _GUARDS:
                for applied in element.applied(name):
                    message = f"[{schema.name}] @{name} can't be on {where}: put it on the implementations."
                    yield Problem("AUTH_REQUIREMENTS_APPLIED_ON_INTERFACE", message, place(schema.name, applied.node))
