"""The operation as planner and executor see it: validated against the API schema, fragments at hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableDefinitionNode,
)

from botberi_gateway.operation.introspecting import introspection_roots

OperationKind: TypeAlias = Literal["query", "mutation", "subscription"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a document, valid against `schema` (the API schema). AST nodes are never changed."""

    schema: GraphQLSchema
    document: DocumentNode
    definition: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    kind: OperationKind = field(init=False)
    #: Whether it asks about the schema: `__schema` or `__type`.
    introspects: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", self.definition.operation.value)
        asked = any(introspection_roots(self.definition, self.fragments))
        object.__setattr__(self, "introspects", asked)

    @property
    def name(self) -> str | None:
        return self.definition.name.value if self.definition.name else None

    @property
    def selection_set(self) -> SelectionSetNode:
        return self.definition.selection_set

    @property
    def variable_definitions(self) -> tuple[VariableDefinitionNode, ...]:
        return tuple(self.definition.variable_definitions or ())
