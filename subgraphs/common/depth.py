"""A document -> an error when an operation nests deeper than the limit; linear in the document's size."""

from __future__ import annotations

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
)


def depth_rule(maximum: int) -> type[ValidationRule]:
    """A validation rule that refuses operations deeper than `maximum` fields, fragments followed."""

    class DepthRule(ValidationRule):
        def __init__(self, context: ValidationContext) -> None:
            super().__init__(context)
            fragments = {d.name.value: d for d in context.document.definitions if isinstance(d, FragmentDefinitionNode)}
            # Each fragment is measured once, or a chain of fragments spread twice each would take 2^n steps.
            measured: dict[str, int] = {}
            for definition in context.document.definitions:
                if isinstance(definition, OperationDefinitionNode):
                    depth = _depth(definition.selection_set, fragments, measured)
                    if depth > maximum:
                        message = f"The operation is {depth} fields deep; at most {maximum} are allowed."
                        context.report_error(GraphQLError(message, definition))

    return DepthRule


def _depth(
    selection_set: SelectionSetNode | None,
    fragments: dict[str, FragmentDefinitionNode],
    measured: dict[str, int],
) -> int:
    deepest = 0
    for selection in selection_set.selections if selection_set else ():
        if isinstance(selection, FieldNode):
            depth = 1 + _depth(selection.selection_set, fragments, measured)
        elif isinstance(selection, InlineFragmentNode):
            depth = _depth(selection.selection_set, fragments, measured)
        elif isinstance(selection, FragmentSpreadNode):
            name = selection.name.value
            if name not in measured:
                measured[name] = 0  # A fragment within itself is another rule's error, and ends here.
                fragment = fragments.get(name)
                measured[name] = _depth(fragment.selection_set if fragment else None, fragments, measured)
            depth = measured[name]
        else:
            depth = 0
        deepest = max(deepest, depth)
    return deepest
