"""The rules of composition, in the order in which they are applied.

A rule is a file with the name of its error code, or of the family of codes that one walk over the schema finds. It
names the page of its codes in Apollo's reference, which describes what the code means; where that page has none, it
names the directive's section. `docs/reference/errors` has a page with an example for each code.

Rules about one merged element are applied by `merge/` where it makes that element: `extension_with_no_base`,
`external_mismatch`, `invalid_field_sharing`, `one_of_mismatch`. A difference that decides what the merged element is
(types that don't fit together, an `@override` that holds) is reported by `merge/` itself.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from botberi_gateway.composition.merge_state import MergeState
from botberi_gateway.composition.problem import Problem
from botberi_gateway.composition.rules import (
    auth_requirements_applied_on_interface,
    context,
    cost_applied_to_interface_field,
    external_collision_with_another_directive,
    external_on_interface,
    external_unused,
    field_sets,
    inaccessible,
    interface_field_no_implem,
    invalid_merged_graphql,
    interface_key_missing_implementation_type,
    interface_key_not_on_implementation,
    interface_object_usage_error,
    invalid_shareable_usage,
    invalid_subgraph_name,
    list_size,
    missing_transitive_auth_requirements,
    requires_arguments,
    satisfiability_error,
    shareable_has_mismatched_runtime_types,
)
from botberi_gateway.composition.subgraph import Subgraph, SubgraphSchema
from botberi_gateway.supergraph import Supergraph

InputRule: TypeAlias = Callable[[Sequence[Subgraph]], Iterable[Problem]]
SubgraphRule: TypeAlias = Callable[[SubgraphSchema], Iterable[Problem]]
SetRule: TypeAlias = Callable[[Sequence[SubgraphSchema]], Iterable[Problem]]
MergedRule: TypeAlias = Callable[[Supergraph, MergeState], Iterable[Problem]]

#: About the set as a whole, before anything is read.
INPUT_RULES: tuple[InputRule, ...] = (invalid_subgraph_name.check,)

#: About one subgraph; its GraphQL is valid already.
SUBGRAPH_RULES: tuple[SubgraphRule, ...] = (
    field_sets.check,
    external_on_interface.check,
    external_unused.check,
    external_collision_with_another_directive.check,
    interface_key_not_on_implementation.check,
    interface_object_usage_error.check,
    invalid_shareable_usage.check,
    auth_requirements_applied_on_interface.check,
    cost_applied_to_interface_field.check,
    list_size.check,
    context.check,
)

#: About all subgraphs, each of which is fine on its own; reported together with what merging finds.
SET_RULES: tuple[SetRule, ...] = (
    interface_object_usage_error.check_together,
    interface_key_missing_implementation_type.check,
)

#: About the merged graph; a group is applied when the one before found nothing.
MERGED_RULES: tuple[tuple[MergedRule, ...], ...] = (
    (interface_field_no_implem.check, requires_arguments.check, missing_transitive_auth_requirements.check),
    (invalid_merged_graphql.check,),
    (inaccessible.check,),
    (shareable_has_mismatched_runtime_types.check, satisfiability_error.check),
)
