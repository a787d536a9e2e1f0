"""The arguments that subgraphs give one field (or directive) -> those of the supergraph; shared with input fields."""

from collections.abc import Hashable, Sequence

from graphql import (
    ConstListValueNode,
    ConstObjectFieldNode,
    ConstObjectValueNode,
    ConstValueNode,
    EnumValueNode,
    FloatValueNode,
    InputValueDefinitionNode,
    IntValueNode,
    ListTypeNode,
    ListValueNode,
    NameNode,
    NonNullTypeNode,
    ObjectValueNode,
    StringValueNode,
    TypeNode,
)

from botberi_gateway.composition.merge.descriptions import merge_description
from botberi_gateway.composition.merge.directives import merge_directives
from botberi_gateway.composition.merge_state import MergeState, names_of
from botberi_gateway.composition.subgraph import Element, InputDef, SubgraphSchema, base_name
from botberi_gateway.composition.type_references import describe, merge_input_types, same
from botberi_gateway.federation.literals import comparable
from botberi_gateway.federation.printed import printed, printed_type

Source = tuple[SubgraphSchema, InputDef]


def is_required(argument: InputDef) -> bool:
    return isinstance(argument.type, NonNullTypeNode) and argument.default is None


def merge_arguments(
    state: MergeState,
    coordinate: str,
    sources: Sequence[tuple[SubgraphSchema, dict[str, InputDef]]],
) -> tuple[InputValueDefinitionNode, ...]:
    """Only arguments that every subgraph knows; the others must not be mandatory anywhere."""
    names = dict.fromkeys(name for _, arguments in sources for name in arguments)
    if not names:
        return ()
    merged = []
    for name in names:
        having = [(s, arguments[name]) for s, arguments in sources if name in arguments]
        lacking = [s for s, arguments in sources if name not in arguments]
        contextual = [(s, a) for s, a in having if a.has("fromContext")]
        what = f'"{coordinate}({name}:)"'
        if contextual:
            _check_contextual(state, what, having, contextual)
            continue
        if lacking:
            required = [(s, a) for s, a in having if is_required(a)]
            if required:
                state.error(
                    "REQUIRED_ARGUMENT_MISSING_IN_SOME_SUBGRAPH",
                    f"The argument {what} is mandatory in {names_of(s for s, _ in required)}, "
                    f"but missing in {names_of(lacking)}.",
                    [(s, a.node) for s, a in required],
                )
            else:
                state.hint(
                    "INCONSISTENT_ARGUMENT_PRESENCE",
                    f"The argument {what} is left out of the supergraph: {names_of(lacking)} doesn't know it.",
                    "WARN",
                    [(s, a.node) for s, a in having],
                )
            continue
        node = merge_input_value(state, what, name, having, "FIELD_ARGUMENT")
        if node is not None:
            merged.append(node)
    return tuple(merged)


def _check_contextual(state: MergeState, what: str, having: Sequence[Source], contextual: Sequence[Source]) -> None:
    plain = [(s, a) for s, a in having if not a.has("fromContext")]
    code = "CONTEXTUAL_ARGUMENT_NOT_CONTEXTUAL_IN_ALL_SUBGRAPHS"
    for schema, argument in plain:
        others = names_of(s for s, _ in contextual)
        if is_required(argument):
            state.error(
                code,
                f'{what} is filled from a context in {others}, but mandatory and not so in "{schema.name}".',
                [(schema, argument.node)],
            )
        else:
            state.hint(
                code,
                f'{what} is filled from a context in {others}, so clients can\'t set it in "{schema.name}" either.',
                "INFO",
                [(schema, argument.node)],
            )


def merge_input_value(
    state: MergeState, what: str, name: str, sources: Sequence[Source], prefix: str
) -> InputValueDefinitionNode | None:
    """`prefix` is FIELD_ARGUMENT or FIELD/INPUT_FIELD, of which the error codes are made. None after an error."""
    merged = merge_input_types(state, [a.type for _, a in sources])
    at = [(s, a.node) for s, a in sources]
    varied = merged is None or any(not same(merged, a.type) for _, a in sources)
    listing = describe([(s.name, a.type) for s, a in sources]) if varied else ""
    if merged is None:
        code = "FIELD_ARGUMENT_TYPE_MISMATCH" if prefix == "FIELD_ARGUMENT" else "FIELD_TYPE_MISMATCH"
        state.error(code, f"The types of {what} don't fit together: {listing}.", at)
        merged = sources[0][1].type
    elif varied:
        code = "ARGUMENT" if prefix == "FIELD_ARGUMENT" else "FIELD"
        state.hint(
            f"INCONSISTENT_BUT_COMPATIBLE_{code}_TYPE",
            f"{what} has different types ({listing}); the supergraph has {printed_type(merged)}.",
            "INFO",
            at,
        )
    state.used_as_input.add(base_name(merged))
    elements: list[tuple[SubgraphSchema, Element]] = [(s, a) for s, a in sources]
    description = merge_description(state, what, elements)
    default = merge_default(state, what, sources, prefix)
    return InputValueDefinitionNode(
        name=NameNode(value=name),
        description=None if description is None else StringValueNode(value=description, block=True),
        type=merged,
        default_value=_coerced(state, merged, default) if default is not None else None,
        directives=merge_directives(state, what, elements),
    )


def _coerced(state: MergeState, type_: TypeNode, value: ConstValueNode) -> ConstValueNode:
    """The literal as the reference composers read it: a string as an enum's value, 1.0 as an integer."""
    named = type_.type if isinstance(type_, NonNullTypeNode) else type_
    if isinstance(value, ListValueNode):
        inner = named.type if isinstance(named, ListTypeNode) else named
        return ConstListValueNode(values=tuple(_coerced(state, inner, item) for item in value.values))
    name = base_name(named)
    if isinstance(value, ObjectValueNode):
        types = _input_field_types(state, name)
        fields = (
            ConstObjectFieldNode(name=f.name, value=_coerced(state, types[f.name.value], f.value))
            if f.name.value in types
            else f
            for f in value.fields
        )
        return ConstObjectValueNode(fields=tuple(fields))
    if isinstance(value, FloatValueNode) and name == "Int" and float(value.value).is_integer():
        return IntValueNode(value=str(int(float(value.value))))
    if isinstance(value, StringValueNode) and state.kinds.get(name) == "ENUM":
        return EnumValueNode(value=value.value)
    return value


def _input_field_types(state: MergeState, name: str) -> dict[str, TypeNode]:
    """Types of an input object's fields, by the first subgraph that has each."""
    types: dict[str, TypeNode] = {}
    for schema, _ in state.sources(name):
        for field, type_ in (schema.input_field_types(name) or {}).items():
            types.setdefault(field, type_)
    return types


def merge_default(state: MergeState, what: str, sources: Sequence[Source], prefix: str) -> ConstValueNode | None:
    """The common one; none where a subgraph has none."""
    having = [(s, a) for s, a in sources if a.default is not None]
    if not having:
        return None
    distinct = _distinct_defaults(having)
    if len(distinct) > 1:
        listing = ", ".join(f"{text} in {names_of(schemas)}" for text, schemas in distinct)
        state.error(
            f"{prefix}_DEFAULT_MISMATCH",
            f"{what} has different default values: {listing}.",
            [(s, a.node) for s, a in having],
        )
    elif len(having) < len(sources):
        state.hint(
            "INCONSISTENT_DEFAULT_VALUE_PRESENCE",
            f"{what} has a default value in {names_of(s for s, _ in having)} alone, so the supergraph has none.",
            "WARN",
            [(s, a.node) for s, a in having],
        )
        return None
    return having[0][1].default


def _distinct_defaults(having: Sequence[Source]) -> list[tuple[str, list[SubgraphSchema]]]:
    """Texts of the defaults that are different values, each with the subgraphs that have the value."""
    texts: dict[str, list[Source]] = {}
    for schema, argument in having:
        assert argument.default is not None
        texts.setdefault(printed(argument.default), []).append((schema, argument))
    defaults: dict[Hashable, tuple[str, list[SubgraphSchema]]] = {}
    for text, sources in texts.items():
        schema, argument = sources[0]
        assert argument.default is not None
        value = comparable(argument.default, argument.type, schema.input_field_types) if len(texts) > 1 else text
        defaults.setdefault(value, (text, []))[1].extend(s for s, _ in sources)
    return list(defaults.values())
