"""INTERFACE_KEY_NOT_ON_IMPLEMENTATION: each type that implements an entity interface has the interface's keys.

https://www.apollographql.com/docs/graphos/reference/federation/errors#interface_key_not_on_implementation
"""

from collections.abc import Iterator

from botberi_gateway.composition.problem import Problem, place
from botberi_gateway.composition.rules.field_sets import is_faulty_key
from botberi_gateway.composition.subgraph import SubgraphSchema
from botberi_gateway.federation import normal_field_set


def check(schema: SubgraphSchema) -> Iterator[Problem]:
    """Not reported beside a faulty key of an interface or an implementation: that one may be the one that is missed."""
    entities = [t for t in schema.types.values() if t.kind == "INTERFACE" and t.keys]
    concerned = {n for t in entities for n in (t.name, *schema.possible_types(t.name))}
    if any(is_faulty_key(schema, schema.types[n], k) for n in concerned for k in schema.types[n].keys):
        return
    for interface in entities:
        for key in interface.keys:
            expected = normal_field_set(key.field_set() or "")
            for name in sorted(schema.possible_types(interface.name)):
                type_ = schema.types[name]
                matching = [k for k in type_.keys if normal_field_set(k.field_set() or "") == expected]
                if not matching:
                    text = f'"{name}" lacks the @key(fields: "{key.field_set()}") of its interface "{interface.name}".'
                elif _resolvable(key.arguments) and not any(_resolvable(k.arguments) for k in matching):
                    text = (
                        f'the key "{key.field_set()}" of "{name}" has to be resolvable, '
                        f'as it is for its interface "{interface.name}".'
                    )
                else:
                    continue
                yield Problem(
                    "INTERFACE_KEY_NOT_ON_IMPLEMENTATION",
                    f"[{schema.name}] {text[0].upper()}{text[1:]}",
                    place(schema.name, type_.node) + place(schema.name, key.node),
                )


def _resolvable(arguments: dict[str, object]) -> bool:
    return arguments.get("resolvable") is not False
