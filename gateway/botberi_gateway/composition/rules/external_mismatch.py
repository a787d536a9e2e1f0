"""`EXTERNAL_TYPE_MISMATCH` and its family: an `@external` field differs from the field as it is resolved.

`EXTERNAL_ARGUMENT_MISSING`, `EXTERNAL_ARGUMENT_TYPE_MISMATCH`, `EXTERNAL_ARGUMENT_DEFAULT_MISMATCH`,
`MERGED_DIRECTIVE_APPLICATION_ON_EXTERNAL`.

The codes: https://www.apollographql.com/docs/graphos/reference/federation/composition-rules
"""

from collections.abc import Sequence

from graphql import InputValueDefinitionNode, TypeNode

from botberi_gateway.composition.merge_state import MergeState, Source
from botberi_gateway.composition.subgraph import InputDef, SubgraphSchema
from botberi_gateway.composition.type_references import is_subtype, same
from botberi_gateway.federation.literals import comparable
from botberi_gateway.federation.printed import printed, printed_type


def check(
    state: MergeState,
    merged: TypeNode,
    arguments: Sequence[InputValueDefinitionNode],
    coordinate: str,
    sources: Sequence[Source],
) -> None:
    """`merged` and `arguments` are those of the supergraph's field, `sources` all declarations of it."""
    for schema, type_, field in sources:
        if not schema.is_external(type_, field):
            continue
        at = [(schema, field.node)]
        where = f'"{coordinate}" in "{schema.name}"'
        if not same(merged, field.type):
            state.error(
                "EXTERNAL_TYPE_MISMATCH",
                f"{where} is @external of type {printed_type(field.type)}, "
                f"but it is resolved as {printed_type(merged)}.",
                at,
            )
        for argument in arguments:
            name = argument.name.value
            mine = field.arguments.get(name)
            if mine is None:
                state.error("EXTERNAL_ARGUMENT_MISSING", f'{where} is @external but lacks the argument "{name}".', at)
                continue
            if not is_subtype(state, argument.type, mine.type):
                state.error(
                    "EXTERNAL_ARGUMENT_TYPE_MISMATCH",
                    f'{where} is @external with the argument "{name}" of type {printed_type(mine.type)}, '
                    f"but it is {printed_type(argument.type)} where the field is resolved.",
                    at,
                )
            has = printed(mine.default) if mine.default else None
            wants = printed(argument.default_value) if argument.default_value else None
            if has != wants and not _is_same_default(schema, mine, argument):
                state.error(
                    "EXTERNAL_ARGUMENT_DEFAULT_MISMATCH",
                    f'{where} is @external with another default of "{name}" ({has}) '
                    f"than where it is resolved ({wants}).",
                    at,
                )
        for applied in field.directives:
            if applied.federation and applied.name in ("tag", "inaccessible"):
                state.error(
                    "MERGED_DIRECTIVE_APPLICATION_ON_EXTERNAL",
                    f"@{applied.name} on {where} has no effect as the field is @external: "
                    "move it to where it is resolved.",
                    at,
                )


def _is_same_default(schema: SubgraphSchema, mine: InputDef, merged: InputValueDefinitionNode) -> bool:
    if mine.default is None or merged.default_value is None:
        return False
    of = schema.input_field_types
    return comparable(mine.default, mine.type, of) == comparable(merged.default_value, merged.type, of)
