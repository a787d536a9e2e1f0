"""A document and graphql-core's rules -> the rules' errors.

The rules run with less work for each node, and leave nothing for the garbage collector.
"""

from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any, Final, NamedTuple

from graphql import (
    BREAK,
    SKIP,
    ASTValidationRule,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    Node,
    NoUndefinedVariablesRule,
    NoUnusedVariablesRule,
    TypeInfo,
    TypeInfoVisitor,
    UniqueVariableNamesRule,
    ValidationContext,
    VariablesAreInputTypesRule,
    VariablesInAllowedPositionRule,
    Visitor,
    assert_valid_schema,
    visit,
)
from graphql.language.ast import QUERY_DOCUMENT_KEYS
from graphql.language.visitor import EnterLeaveVisitor
from graphql.validation.validate import FragmentNestingVisitor, ValidationAbortedError
from graphql.validation.validation_context import NodeWithSelectionSet, VariableUsage, VariableUsageVisitor

from botberi_gateway.operation.visiting import visit_once

#: They look at variables alone: a text without any can't break them, and three of them go through the whole document
#: once more.
_OF_VARIABLES: Final = frozenset(
    (
        NoUndefinedVariablesRule,
        NoUnusedVariablesRule,
        UniqueVariableNamesRule,
        VariablesAreInputTypesRule,
        VariablesInAllowedPositionRule,
    )
)


def violations(
    schema: GraphQLSchema, document: DocumentNode, rules: Collection[type[ASTValidationRule]], max_errors: int
) -> list[GraphQLError]:
    """The errors that `graphql.validate` gives with these rules, in the same order.

    Suggestions are hidden, and empty selections are refused.
    """
    assert_valid_schema(schema)
    applied = tuple(rules)
    if document.loc is not None and "$" not in document.loc.source.body:
        applied = tuple(rule for rule in applied if rule not in _OF_VARIABLES)
    errors: list[GraphQLError] = []

    def report(error: GraphQLError) -> None:
        if len(errors) >= max_errors:
            raise ValidationAbortedError("Too many validation errors, error limit reached. Validation aborted.")
        errors.append(error)

    types = TypeInfo(schema)
    context = _Context(schema, document, types, report, hide_suggestions=True, allow_empty_selection_sets=False)
    together = _Together(context, types, applied, document)
    try:
        visit(document, together, _keys(applied))
    except ValidationAbortedError as error:
        error.__context__ = None
        errors.append(error.with_traceback(None))
    except RecursionError:
        errors.append(ValidationAbortedError("Validation aborted."))
    finally:
        together.forget()
    return errors


class _Context(ValidationContext):
    """graphql-core's, but visitors that look for variables are no cycles of references afterwards."""

    def get_variable_usages(self, node: NodeWithSelectionSet) -> list[VariableUsage]:
        usages = self._variable_usages.get(node)
        if usages is None:
            finder = VariableUsageVisitor(self._type_info, node if isinstance(node, FragmentDefinitionNode) else None)
            visit_once(node, TypeInfoVisitor(self._type_info, finder))
            finder.enter_leave_map.clear()
            usages = self._variable_usages[node] = finder.usages
        return usages


@lru_cache(maxsize=16)
def _keys(rules: tuple[type[ASTValidationRule], ...]) -> dict[str, tuple[str, ...]]:
    """What is visited of each kind of node: names, which are half of all nodes, only where a rule wants to see them."""
    left_out = {"description"}
    if not any(_handlers(rules, "name")):
        left_out |= {"name", "alias"}
    return {kind: tuple(key for key in keys if key not in left_out) for kind, keys in QUERY_DOCUMENT_KEYS.items()}


class _Handlers(NamedTuple):
    """Of one kind of node: the rule's number, and the name of its method ("" where it only has to end its skipping)."""

    enter: tuple[tuple[int, str], ...]
    leave: tuple[tuple[int, str], ...]


@lru_cache(maxsize=1024)
def _handlers(rules: tuple[type[ASTValidationRule], ...], kind: str) -> _Handlers:
    enter: list[tuple[int, str]] = []
    leave: list[tuple[int, str]] = []
    for number, rule in enumerate(rules):
        into, out = (
            next((name for name in (f"{when}_{kind}", when) if getattr(rule, name, None)), "")
            for when in ("enter", "leave")
        )
        if into:
            enter.append((number, into))
        if into or out:
            leave.append((number, out))
    return _Handlers(tuple(enter), tuple(leave))


class _Together(Visitor):
    """Runs rules as `graphql.ParallelVisitor` in a `TypeInfoVisitor` does, with less work for each node.

    Which rules have something to do at a kind of node is looked up once for all documents.
    """

    def __init__(
        self,
        context: ValidationContext,
        types: TypeInfo,
        rules: tuple[type[ASTValidationRule], ...],
        document: DocumentNode,
    ) -> None:
        super().__init__()
        self._context = context
        self._types = types
        self._classes = rules
        self._rules: list[Visitor] = [rule(context) for rule in rules]
        #: For each rule the node below which it wants to see nothing, or BREAK.
        self._skipping: list[Any] = [None] * len(rules)
        fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        #: Ends everything before rules, which recurse, go too deep through fragments.
        self._nesting = FragmentNestingVisitor(fragments) if fragments else None

    def get_enter_leave_for_kind(self, kind: str) -> EnterLeaveVisitor:
        handler = self.enter_leave_map.get(kind)
        if handler is None:
            handlers = _handlers(self._classes, kind)
            handler = self.enter_leave_map[kind] = EnterLeaveVisitor(
                self._enter(kind, handlers.enter), self._leave(kind, handlers.leave)
            )
        return handler

    def forget(self) -> None:
        """Break the reference cycles of rules, their methods and the context, which aren't used again."""
        for owner in (*self._rules, self._context, self):
            owner.__dict__.clear()

    def _enter(self, kind: str, handlers: tuple[tuple[int, str], ...]) -> Callable[..., None] | None:
        skipping = self._skipping
        methods = [(number, getattr(self._rules[number], name)) for number, name in handlers]
        note_type = getattr(self._types, f"enter_{kind}", None)
        check_nesting = getattr(self._nesting, f"enter_{kind}", None)
        if not methods and note_type is None and check_nesting is None:
            return None

        def enter(node: Node, *args: Any) -> None:
            if note_type is not None:
                note_type(node)
            if check_nesting is not None:
                check_nesting(node)
            for number, method in methods:
                if not skipping[number]:
                    result = method(node, *args)
                    if result is not None:
                        skipping[number] = _skipped(result, node)

        return enter

    def _leave(self, kind: str, handlers: tuple[tuple[int, str], ...]) -> Callable[..., None] | None:
        skipping = self._skipping
        methods = [(number, getattr(self._rules[number], name) if name else None) for number, name in handlers]
        note_type = getattr(self._types, f"leave_{kind}", None)
        if not methods and note_type is None:
            return None

        def leave(node: Node, *args: Any) -> None:
            for number, method in methods:
                if skipping[number]:
                    if skipping[number] is node:
                        skipping[number] = None
                elif method is not None and _skipped(method(node, *args), None) is BREAK:
                    skipping[number] = BREAK
            if note_type is not None:
                note_type()

        return leave


def _skipped(result: Any, node: Node | None) -> Any:
    """What a rule that answers so skips. Rules change nothing."""
    if result is BREAK or result is True:
        return BREAK
    return node if result is SKIP or result is False else None
