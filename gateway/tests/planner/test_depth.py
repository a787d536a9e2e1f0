"""A plan has no more steps than its deepest field needs alone, on random graphs.

What other fields want never makes one wait.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice

import pytest
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    OverlappingFieldsCanBeMergedRule,
    SelectionSetNode,
    parse,
    print_ast,
    validate,
)

from botberi_gateway.planner import build_plan
from lab.fuzzing.fuzz import cases
from lab.fuzzing.graph import make_graph
from lab.fuzzing.pair import Arena
from lab.fuzzing.truth import at_once

#: Operations of each graph.
MOST = 15


def _leaves(
    selection_set: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> Iterator[FieldNode | InlineFragmentNode]:
    """Each leaf field with all that stands around it, alone."""
    for node in selection_set.selections:
        match node:
            case FieldNode(selection_set=None):
                yield node
                continue
            case FragmentSpreadNode():
                fragment = fragments[node.name.value]
                around: FieldNode | InlineFragmentNode = InlineFragmentNode(
                    type_condition=fragment.type_condition,
                    selection_set=fragment.selection_set,
                    directives=node.directives,
                )
            case FieldNode() | InlineFragmentNode():
                around = node
        assert around.selection_set is not None
        for below in _leaves(around.selection_set, fragments):
            alone = SelectionSetNode(selections=(below,))
            yield replace(around, selection_set=alone)


def _depth(arena: Arena, operation: OperationDefinitionNode, *nodes: FieldNode | InlineFragmentNode) -> int:
    selections = SelectionSetNode(selections=nodes)
    return build_plan(arena.supergraph, print_ast(replace(operation, selection_set=selections))).depth


@pytest.mark.parametrize("seed", [40300017, 40400052, *range(900, 904)])
def test_no_deeper_than_the_deepest_field(seed: int) -> None:
    arena = Arena(make_graph(seed))
    compared = 0
    everything = cases(arena, seed)
    for _, case, _ in everything if seed > 1000 else islice(everything, MOST):
        # Deferred fields have steps of their own.
        document = at_once(parse(case.document, no_location=True)).definitions
        operation = next(one for one in document if isinstance(one, OperationDefinitionNode))
        fragments = {one.name.value: one for one in document if isinstance(one, FragmentDefinitionNode)}
        leaves = list(_leaves(operation.selection_set, fragments))
        conflicts = validate(arena.supergraph.api_schema, parse(case.document), [OverlappingFieldsCanBeMergedRule])
        if operation.operation.value != "query" or not leaves or conflicts:
            continue
        compared += 1
        deepest = max(_depth(arena, operation, leaf) for leaf in leaves)
        assert _depth(arena, operation, *leaves) == deepest, case.document
    assert compared > MOST / 3
