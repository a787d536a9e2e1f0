"""Document and rules -> what is wrong with it, by graphql-core's own validation, with less work for each node and little left for the garbage collector."""

from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

from graphql import (
    BREAK,
    SKIP,
    ASTValidationRule,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    Node,
    NoUndefinedVariablesRule,
    NoUnusedVariablesRule,
    UniqueVariableNamesRule,
    ValidationContext,
    VariablesAreInputTypesRule,
    VariablesInAllowedPositionRule,
    validate,
)
from graphql.language.visitor import EnterLeaveVisitor

#: They look at variables alone: a text without any can't break them, and three of them go through the whole document once more.
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
    """The same errors in the same order as `graphql.validate` gives with these rules."""
    wanted = tuple(rules)
    if document.loc is not None and "$" not in document.loc.source.body:
        wanted = tuple(rule for rule in wanted if rule not in _OF_VARIABLES)
    made: list[_Together] = []

    def together(context: ValidationContext) -> _Together:
        made.append(_Together(context, wanted))
        return made[0]

    try:
        return validate(
            schema,
            document,
            # Called with the context, as a class would be.
            [cast(type[ASTValidationRule], together)],
            max_errors=max_errors,
            hide_suggestions=True,
            allow_empty_selection_sets=False,
        )
    finally:
        for one in made:
            one.forget()


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


class _Together(ASTValidationRule):
    """As `graphql.ParallelVisitor` runs rules, but which of them have something to do at a kind of node is found once for all documents."""

    def __init__(self, context: ValidationContext, rules: tuple[type[ASTValidationRule], ...]) -> None:
        super().__init__(context)
        self._classes = rules
        self._rules = [rule(context) for rule in rules]
        #: For each rule the node below which it wants to see nothing, or BREAK.
        self._skipping: list[Any] = [None] * len(rules)

    def get_enter_leave_for_kind(self, kind: str) -> EnterLeaveVisitor:
        found = self.enter_leave_map.get(kind)
        if found is None:
            handlers = _handlers(self._classes, kind)
            found = self.enter_leave_map[kind] = EnterLeaveVisitor(
                self._enter(handlers.enter) if handlers.enter else None,
                self._leave(handlers.leave) if handlers.leave else None,
            )
        return found

    def forget(self) -> None:
        """Break the circles of rules, their methods and the context: nobody validates with them again."""
        for one in (*self._rules, self.context, self):
            one.__dict__.clear()

    def _enter(self, handlers: tuple[tuple[int, str], ...]) -> Callable[..., None]:
        skipping = self._skipping
        methods = [(number, getattr(self._rules[number], name)) for number, name in handlers]

        def enter(node: Node, *args: Any) -> None:
            for number, method in methods:
                if not skipping[number]:
                    result = method(node, *args)
                    if result is not None:
                        skipping[number] = _skipped(result, node)

        return enter

    def _leave(self, handlers: tuple[tuple[int, str], ...]) -> Callable[..., None]:
        skipping = self._skipping
        methods = [(number, getattr(self._rules[number], name) if name else None) for number, name in handlers]

        def leave(node: Node, *args: Any) -> None:
            for number, method in methods:
                if skipping[number]:
                    if skipping[number] is node:
                        skipping[number] = None
                elif method is not None and _skipped(method(node, *args), None) is BREAK:
                    skipping[number] = BREAK

        return leave


def _skipped(result: Any, node: Node | None) -> Any:
    """What a rule that answers so skips. Rules change nothing."""
    if result is BREAK or result is True:
        return BREAK
    return node if result is SKIP or result is False else None
