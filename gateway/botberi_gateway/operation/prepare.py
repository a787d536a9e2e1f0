"""Document text -> `Operation`, or `RequestError`.

It is parsed; the operation is picked, checked against the limits and validated against the API schema.
"""

from collections.abc import Collection, Sequence

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FieldsOnCorrectTypeRule,
    FragmentDefinitionNode,
    FragmentsOnCompositeTypesRule,
    GraphQLError,
    GraphQLSchema,
    KnownFragmentNamesRule,
    KnownTypeNamesRule,
    NoFragmentCyclesRule,
    NoUndefinedVariablesRule,
    OperationDefinitionNode,
    OperationType,
    OverlappingFieldsCanBeMergedRule,
    PossibleFragmentSpreadsRule,
    ScalarLeafsRule,
    UniqueFragmentNamesRule,
    ValuesOfCorrectTypeRule,
    parse,
    specified_rules,
)

from botberi_gateway import errors
from botberi_gateway.config import OperationLimits
from botberi_gateway.errors import ErrorEntry, RequestError
from botberi_gateway.operation.fields_merge import FieldsMergeRule
from botberi_gateway.operation.introspecting import check_introspection
from botberi_gateway.operation.limits import check_size, refuse
from botberi_gateway.operation.model import Operation
from botberi_gateway.operation.plain import is_certainly_valid
from botberi_gateway.operation.tokens import drop_tokens
from botberi_gateway.operation.validating import violations
from botberi_gateway.operation.wording import ValuesRule, bounded, without_tokens

#: In the place of graphql-core's: one is quadratic where ours is linear, one quotes values.
_OURS: dict[type[ASTValidationRule], type[ASTValidationRule]] = {
    OverlappingFieldsCanBeMergedRule: FieldsMergeRule,
    ValuesOfCorrectTypeRule: ValuesRule,
}
#: The specification's rules.
RULES = tuple(
    _OURS.get(rule, rule)
    for rule in specified_rules
    # Ours (`introspecting`) looks at each fragment once, and its limit is a setting.
    if rule.__name__ != "MaxIntrospectionDepthRule"
)

#: What planning relies on: names, fragments and selections, none of the types of arguments and variables.
STRUCTURE = (
    KnownTypeNamesRule,
    FragmentsOnCompositeTypesRule,
    ScalarLeafsRule,
    FieldsOnCorrectTypeRule,
    UniqueFragmentNamesRule,
    KnownFragmentNamesRule,
    PossibleFragmentSpreadsRule,
    NoFragmentCyclesRule,
    NoUndefinedVariablesRule,
)


def prepare(
    schema: GraphQLSchema,
    source: str,
    operation_name: str | None = None,
    limits: OperationLimits | None = None,
    rules: Collection[type[ASTValidationRule]] = RULES,
) -> Operation:
    """The operation that is asked for.

    Raises `RequestError`: parse, limit, choice or validation, each with its code.
    """
    limits = limits or OperationLimits()
    document = _parse(source, limits)
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    definition = _pick(document, operation_name)
    for other in document.definitions:
        if isinstance(other, OperationDefinitionNode):
            check_size(schema, other, fragments, limits)
            check_introspection(other, fragments, limits)
    violated = () if is_certainly_valid(schema, document) else violations(schema, document, rules, limits.max_errors)
    if violated:
        raise RequestError([_entry(error, errors.GRAPHQL_VALIDATION_FAILED) for error in violated])
    if schema.get_root_type(OperationType(definition.operation.value)) is None:
        kind = definition.operation.value
        raise RequestError([ErrorEntry(f"The schema has no {kind} type.", errors.GRAPHQL_VALIDATION_FAILED)])
    return Operation(schema, document, definition, fragments)


def _parse(source: str, limits: OperationLimits) -> DocumentNode:
    if not isinstance(source, str) or not source.strip():
        raise RequestError([ErrorEntry("The query is missing or empty.", errors.GRAPHQL_PARSE_FAILED)])
    if len(source) > limits.max_characters:
        raise refuse("characters", limits.max_characters)
    try:
        document = parse(source, max_tokens=limits.max_tokens, allow_empty_selection_sets=False)
    except GraphQLError as error:
        if error.message.endswith(" tokens. Parsing aborted."):
            raise refuse("tokens", limits.max_tokens) from None
        error.message = without_tokens(error.message)
        raise RequestError([_entry(error, errors.GRAPHQL_PARSE_FAILED)]) from None
    except RecursionError:
        raise RequestError([ErrorEntry("The document is nested too deeply.", errors.GRAPHQL_PARSE_FAILED)]) from None
    drop_tokens(document)
    return document


def _pick(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    if not operations:
        raise _unresolved("The document has no operation.")
    if name is None or name == "":
        if len(operations) > 1:
            raise _unresolved("The document has several operations; say which by operationName.")
        return operations[0]
    for operation in operations:
        if operation.name and operation.name.value == name:
            return operation
    raise _unresolved("The document has no operation of the given operationName.")


def _unresolved(message: str) -> RequestError:
    return RequestError([ErrorEntry(message, errors.OPERATION_RESOLUTION_FAILURE)])


def _entry(error: GraphQLError, code: str) -> ErrorEntry:
    locations: Sequence[tuple[int, int]] = [(place.line, place.column) for place in error.locations or ()]
    return ErrorEntry(bounded(error.message), code, locations=locations)
