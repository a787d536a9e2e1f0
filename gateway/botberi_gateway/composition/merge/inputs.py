"""Input objects of several subgraphs -> one with the fields that all of them have."""

from graphql import ConstDirectiveNode, NameNode

from botberi_gateway.composition.merge.arguments import is_required, merge_input_value
from botberi_gateway.composition.merge.types import Owners, type_description, type_directives, type_joins
from botberi_gateway.composition.merge_state import MergeState, names_of
from botberi_gateway.composition.rules import one_of_mismatch
from botberi_gateway.composition.subgraph import is_one_of
from botberi_gateway.composition.type_references import same
from botberi_gateway.federation.printed import printed_type
from botberi_gateway.supergraph import InputField, JoinField, SupergraphType


def merge_input_object(state: MergeState, name: str, owners: Owners) -> SupergraphType:
    """A field that a subgraph lacks is left out, unless another one demands it."""
    one_of_mismatch.check(state, name, owners)
    is_one_of_anywhere = any(is_one_of(t) for _, t in owners)
    one_of = (ConstDirectiveNode(name=NameNode(value="oneOf"), arguments=()),) if is_one_of_anywhere else ()
    fields = {}
    for field in dict.fromkeys(f for _, t in owners for f in t.input_fields):
        having = [(s, t.input_fields[field]) for s, t in owners if field in t.input_fields]
        lacking = [(s, t) for s, t in owners if field not in t.input_fields]
        what = f'"{name}.{field}"'
        # its types have to fit together even where it is left out: in the subgraphs it is one field
        node = merge_input_value(state, what, field, having, "INPUT_FIELD")
        if lacking and not any(f.has("inaccessible") for _, f in having):
            required = [(s, f) for s, f in having if is_required(f)]
            if required:
                state.error(
                    "REQUIRED_INPUT_FIELD_MISSING_IN_SOME_SUBGRAPH",
                    f"The input field {what} is mandatory in {names_of(s for s, _ in required)}, "
                    f"but missing in {names_of(s for s, _ in lacking)}.",
                    [(s, f.node) for s, f in required],
                )
            else:
                state.hint(
                    "INCONSISTENT_INPUT_OBJECT_FIELD",
                    f"The input field {what} is left out of the supergraph: "
                    f"{names_of(s for s, _ in lacking)} doesn't have it.",
                    "WARN",
                    [(s, f.node) for s, f in having],
                )
            continue
        if node is None:
            continue
        varied = any(not same(f.type, node.type) for _, f in having)
        joins: tuple[JoinField, ...] = ()
        if varied or lacking:
            joins = tuple(JoinField(s.graph, type=printed_type(f.type) if varied else None) for s, f in having)
        fields[field] = InputField(field, node, joins)
    if not fields:
        state.error(
            "EMPTY_MERGED_INPUT_TYPE",
            f'No field of the input type "{name}" is in all of {names_of(s for s, _ in owners)}.',
            [(s, t.node) for s, t in owners],
        )
    return SupergraphType(
        name=name,
        kind="INPUT_OBJECT",
        joins=type_joins(owners),
        input_fields=fields,
        directives=(*type_directives(state, name, owners), *one_of),
        description=type_description(state, name, owners),
    )
