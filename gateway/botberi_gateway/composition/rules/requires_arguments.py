"""REQUIRES_INVALID_FIELDS and CONTEXT_INVALID_SELECTION of the merged graph, about arguments in a selection.

The arguments have to be those of the subgraphs that resolve the selected fields; these may differ from those of the
subgraph that selects.

https://www.apollographql.com/docs/graphos/reference/federation/errors#requires_invalid_fields
"""

from collections.abc import Iterator
from typing import NamedTuple

from graphql import FieldNode, InlineFragmentNode, InputValueDefinitionNode, Node, SelectionSetNode

from botberi_gateway.composition.ingest.shapes import Shape, is_mandatory
from botberi_gateway.composition.ingest.values import surely_fits
from botberi_gateway.composition.merge_state import MergeState
from botberi_gateway.composition.problem import Problem, places
from botberi_gateway.composition.subgraph import Applied, FieldDef, SubgraphSchema, base_name
from botberi_gateway.federation import FieldSetSyntaxError, parse_field_set
from botberi_gateway.federation.context_value import parse_from_context
from botberi_gateway.federation.printed import printed
from botberi_gateway.supergraph import Supergraph, SupergraphType


class _Selection(NamedTuple):
    """A field set, the type that it is of, and where it stands."""

    type_name: str
    text: str
    code: str
    where: str
    applied: Applied


def check(supergraph: Supergraph, state: MergeState) -> Iterator[Problem]:
    shapes = _input_shapes(supergraph)
    for schema in state.schemas:
        for type_ in schema.objects():
            for field in type_.fields.values():
                takes = field.arguments and any(a.directives for a in field.arguments.values())
                if not takes and not (field.directives and field.has("requires")):
                    continue  # as most are: nothing is selected for them
                for selection in _selections(schema, type_.name, field):
                    yield from _check(supergraph, state, shapes, schema, selection)


def _selections(schema: SubgraphSchema, type_name: str, field: FieldDef) -> Iterator[_Selection]:
    for applied in field.applied("requires"):
        text = applied.field_set() or ""
        where = f'@requires(fields: "{text}") on "{field.coordinate}"'
        yield _Selection(type_name, text, "REQUIRES_INVALID_FIELDS", where, applied)
    for argument in field.arguments.values():
        for applied in argument.applied("fromContext"):
            parsed = parse_from_context(applied.text("field") or "")
            where = f'@fromContext on "{field.coordinate}({argument.name}:)"'
            for setter in schema.types.values() if parsed.name is not None else ():
                if any(c.text("name") == parsed.name for c in setter.applied("context")):
                    code = "CONTEXT_INVALID_SELECTION"
                    yield _Selection(setter.name, parsed.selection, code, where, applied)


def _check(
    supergraph: Supergraph,
    state: MergeState,
    shapes: dict[str, Shape],
    schema: SubgraphSchema,
    selection: _Selection,
) -> Iterator[Problem]:
    type_ = supergraph.types.get(selection.type_name)
    try:
        node = parse_field_set(selection.text)
    except FieldSetSyntaxError:
        return
    if type_ is None:
        return
    for owner, name, fault in _faults(supergraph, shapes, type_, node):
        at: list[tuple[str, Node | None]] = [(schema.name, selection.applied.node)]
        at += [(s.name, t.fields[name].node) for s, t in state.sources(owner) if s is not schema and name in t.fields]
        yield Problem(selection.code, f"[{schema.name}] {selection.where}: {fault}", places(at))


def _faults(
    supergraph: Supergraph, shapes: dict[str, Shape], type_: SupergraphType, node: SelectionSetNode
) -> Iterator[tuple[str, str, str]]:
    """Type, field, and what is wrong with the arguments that are selected with."""
    for selection in node.selections:
        if isinstance(selection, InlineFragmentNode):
            condition = selection.type_condition
            target = supergraph.types.get(condition.name.value) if condition else type_
            if target is not None:
                yield from _faults(supergraph, shapes, target, selection.selection_set)
        elif isinstance(selection, FieldNode) and (field := type_.fields.get(selection.name.value)) is not None:
            for fault in _argument_faults(shapes, selection, {a.name.value: a for a in field.arguments}):
                yield type_.name, field.name, fault
            target = supergraph.types.get(base_name(field.type))
            if selection.selection_set is not None and target is not None:
                yield from _faults(supergraph, shapes, target, selection.selection_set)


def _argument_faults(
    shapes: dict[str, Shape], node: FieldNode, parameters: dict[str, InputValueDefinitionNode]
) -> Iterator[str]:
    if not node.arguments and not parameters:
        return
    field = node.name.value
    values = {a.name.value: a.value for a in node.arguments or ()}
    for name, value in values.items():
        parameter = parameters.get(name)
        if parameter is None:
            yield f'"{field}" is resolved by a subgraph where it has no argument "{name}".'
        elif not surely_fits(value, parameter.type, shapes):
            expected = printed(parameter.type)
            what = f'the argument "{name}" of "{field}"'
            yield f"{printed(value)} is no {expected}, which {what} is where it is resolved."
    for name, parameter in parameters.items():
        if name not in values and is_mandatory(parameter):
            yield f'"{field}" needs the argument "{name}", which is mandatory where it is resolved.'


def _input_shapes(supergraph: Supergraph) -> dict[str, Shape]:
    return {
        type_.name: Shape(
            type_.kind,
            inputs={name: field.node for name, field in type_.input_fields.items()},
            values=set(type_.values),
            is_one_of=any(d.name.value == "oneOf" for d in type_.directives),
        )
        for type_ in supergraph.types.values()
        if type_.kind in ("SCALAR", "ENUM", "INPUT_OBJECT")
    }
