"""A subgraph's SDL -> what it says, read independently of the gateway; and the monolith's SDL as clients see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldDefinitionNode,
    FieldNode,
    GraphQLArgument,
    GraphQLInputField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    InterfaceTypeDefinitionNode,
    InterfaceTypeExtensionNode,
    NonNullTypeNode,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    SchemaDefinitionNode,
    SchemaExtensionNode,
    SelectionSetNode,
    Visitor,
    build_ast_schema,
    is_list_type,
    is_non_null_type,
    parse,
    visit,
)
from graphql.language import REMOVE
from graphql.utilities.coerce_input_value import coerce_default_value

_DEFINITIONS: dict[type, Any] = {
    ObjectTypeExtensionNode: ObjectTypeDefinitionNode,
    InterfaceTypeExtensionNode: InterfaceTypeDefinitionNode,
}
ENTITIES = (
    "\nscalar _Any\nunion _Entity = {members}\n"
    "extend type {query} {{ _entities(representations: [_Any!]!): [_Entity]! }}"
)


@dataclass(frozen=True)
class Key:
    """One `@key`."""

    text: str
    fields: SelectionSetNode
    resolvable: bool

    @property
    def names(self) -> list[str]:
        """Its outermost fields."""
        return [
            n.name.value for n in self.fields.selections if isinstance(n, FieldNode) and n.name.value != "__typename"
        ]


@dataclass
class FieldFacts:
    """A field as one subgraph declares it."""

    type: Any
    external: bool = False
    requires: SelectionSetNode | None = None
    provides: SelectionSetNode | None = None
    override: str | None = None
    label: str | None = None
    shareable: bool = False
    #: Another subgraph has taken it over: it may not be asked for here.
    lost: bool = False
    #: Argument -> (context, the field of an object above that gives its value).
    contexts: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass
class TypeFacts:
    """A type as one subgraph declares it."""

    name: str
    interface: bool
    interface_object: bool = False
    keys: list[Key] = field(default_factory=list)
    fields: dict[str, FieldFacts] = field(default_factory=dict)
    contexts: frozenset[str] = frozenset()


class SubgraphFacts:
    """Types, directives and the executable schema of one subgraph."""

    def __init__(self, name: str, sdl: str) -> None:
        self.name = name
        document = _defined(parse(sdl, no_location=True))
        self.types: dict[str, TypeFacts] = {}
        #: Names of root types here -> those that the whole has.
        self.roots = _roots(document)
        self.schema = _executable(document)
        for node in document.definitions:
            if isinstance(node, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
                made = self._type(node)
                self.types[made.name] = made

    def _type(self, node: ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode) -> TypeFacts:
        made = TypeFacts(self.name_of(node.name.value), isinstance(node, InterfaceTypeDefinitionNode))
        shareable = False
        for directive in node.directives or ():
            if directive.name.value == "key":
                text = str(_argument(directive, "fields"))
                made.keys.append(Key(text, field_set(text), _argument(directive, "resolvable") is not False))
            if directive.name.value == "context":
                made.contexts |= {str(_argument(directive, "name"))}
            made.interface_object |= directive.name.value == "interfaceObject"
            shareable |= directive.name.value == "shareable"
        declared = self.schema.type_map[node.name.value].fields  # type: ignore[attr-defined]
        for one in node.fields or ():
            facts = FieldFacts(declared[one.name.value].type, shareable=shareable, contexts=_contexts(one))
            for directive in one.directives or ():
                match directive.name.value:
                    case "external":
                        facts.external = True
                    case "shareable":
                        facts.shareable = True
                    case "requires":
                        facts.requires = field_set(str(_argument(directive, "fields")))
                    case "provides":
                        facts.provides = field_set(str(_argument(directive, "fields")))
                    case "override":
                        facts.override = str(_argument(directive, "from"))
                        label = _argument(directive, "label")
                        facts.label = None if label is None else str(label)
            made.fields[one.name.value] = facts
        for key in made.keys:
            for one_key in key.fields.selections:
                # Federation 1 says so of keys of extended types: they come with the representation.
                if isinstance(one_key, FieldNode) and one_key.name.value in made.fields:
                    made.fields[one_key.name.value].external = False
        return made

    def settle(self, others: Mapping[str, "SubgraphFacts"], labels: frozenset[str] = frozenset()) -> None:
        """Mark who lost which field to whom: a label that isn't active leaves it where it was."""
        for type_name, declared in self.types.items():
            for name, facts in declared.fields.items():
                if facts.override is None:
                    continue
                if facts.label not in (None, "percent(100)", *labels):
                    facts.lost = True
                elif facts.override in others and (old := others[facts.override].field(type_name, name)) is not None:
                    old.lost = True

    def name_of(self, type_name: str) -> str:
        """Name of this subgraph's type in the whole: only root types may have other names."""
        return self.roots.get(type_name, type_name)

    def field(self, type_name: str, name: str) -> FieldFacts | None:
        """The declaration, if there is one."""
        declared = self.types.get(type_name)
        return None if declared is None else declared.fields.get(name)

    def possible(self, name: str) -> frozenset[str] | None:
        """Concrete types here; None where the subgraph doesn't know (an interface object, or no such type)."""
        declared = self.types.get(name)
        if declared is not None and name in self.roots.values():
            return frozenset((name,))
        type_ = self.schema.type_map.get(name)
        if type_ is None or (declared is not None and declared.interface_object):
            return None
        if declared is None or declared.interface:
            return frozenset(t.name for t in self.schema.get_possible_types(type_))  # type: ignore[arg-type]
        return frozenset((name,))

    def values(self, name: str) -> frozenset[str] | None:
        """An enum's values here."""
        type_ = self.schema.type_map.get(name)
        return None if type_ is None else frozenset(type_.values)  # type: ignore[attr-defined]


def _roots(document: DocumentNode) -> dict[str, str]:
    return {
        operation.type.name.value: operation.operation.value.capitalize()
        for node in document.definitions
        if isinstance(node, SchemaDefinitionNode | SchemaExtensionNode)
        for operation in node.operation_types or ()
    }


def _contexts(node: FieldDefinitionNode) -> dict[str, tuple[str, str]]:
    found = {}
    for argument in node.arguments or ():
        for directive in argument.directives or ():
            if directive.name.value == "fromContext":
                context, _, selection = str(_argument(directive, "field")).partition(" ")
                found[argument.name.value] = (context.removeprefix("$"), selection.strip("{ }"))
    return found


def _argument(directive: DirectiveNode, name: str) -> Any:
    return next((getattr(a.value, "value", None) for a in directive.arguments or () if a.name.value == name), None)


def field_set(text: str) -> SelectionSetNode:
    """The selection of a `@key`, `@requires` or `@provides`."""
    definition: Any = parse(f"{{ {text} }}", no_location=True).definitions[0]
    selection: SelectionSetNode = definition.selection_set
    return selection


def _defined(document: DocumentNode) -> DocumentNode:
    """Federation 1 extends types that are defined elsewhere; to the subgraph alone these are definitions."""
    made: list[Any] = []
    for node in document.definitions:
        kind = _DEFINITIONS.get(type(node))
        values = {key: getattr(node, key) for key in node.keys if key != "loc"}
        made.append(node if kind is None else kind(**values))
    return replace(document, definitions=tuple(made))


class _WithoutDirectives(Visitor):
    def enter_directive(self, node: DirectiveNode, *_: Any) -> Any:
        return REMOVE if node.name.value != "deprecated" else None

    def enter_schema_extension(self, node: SchemaExtensionNode, *_: Any) -> Any:
        return REMOVE


def _executable(document: DocumentNode) -> GraphQLSchema:
    """The subgraph's own schema, with `_entities`."""
    plain: DocumentNode = visit(document, _WithoutDirectives())
    objects = [d for d in document.definitions if isinstance(d, ObjectTypeDefinitionNode)]
    members = [o.name.value for o in objects if any(d.name.value == "key" for d in o.directives or ())]
    roots = _roots(document)
    query = next((name for name, root in roots.items() if root == "Query"), "Query")
    text = "" if any(o.name.value == query for o in objects) else "\ntype Query\n"
    if members:
        text += ENTITIES.format(members=" | ".join(members), query=query)
    if text:
        extra = parse(text, no_location=True)
        plain = replace(plain, definitions=(*plain.definitions, *extra.definitions))
    if roots and query not in roots:  # every subgraph answers `_entities`
        plain = visit(plain, _WithQuery())
    return build_ast_schema(plain, assume_valid=True)


class _WithQuery(Visitor):
    def enter_schema_definition(self, node: SchemaDefinitionNode, *_: Any) -> Any:
        query: Any = parse("schema { query: Query }", no_location=True).definitions[0]
        return replace(node, operation_types=(*node.operation_types, *query.operation_types))


class _Visible(Visitor):
    def _enter(self, node: Any, *_: Any) -> Any:
        return REMOVE if _hidden(node) else None

    enter_field_definition = enter_enum_value_definition = enter_input_value_definition = _enter
    enter_object_type_definition = enter_interface_type_definition = enter_union_type_definition = _enter

    def enter_directive_definition(self, *_: Any) -> Any:
        return REMOVE


class _VisibleNames(Visitor):
    """Members and interfaces without those that are hidden."""

    def __init__(self, hidden: frozenset[str]) -> None:
        super().__init__()
        self.hidden = hidden

    def _kept(self, names: Any) -> Any:
        return tuple(name for name in names or () if name.name.value not in self.hidden)

    def enter_union_type_definition(self, node: Any, *_: Any) -> Any:
        return replace(node, types=self._kept(node.types))

    def enter_object_type_definition(self, node: Any, *_: Any) -> Any:
        return replace(node, interfaces=self._kept(node.interfaces))

    enter_interface_type_definition = enter_object_type_definition


def _hidden(node: Any) -> bool:
    return any(d.name.value == "inaccessible" for d in node.directives or ())


def visible(document: DocumentNode) -> DocumentNode:
    """Part of the monolith that clients see."""
    hidden = frozenset(
        d.name.value
        for d in document.definitions
        if isinstance(d, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode) and _hidden(d)
    )
    shown: DocumentNode = visit(visit(document, _Visible()), _VisibleNames(hidden))
    return shown


class _Loose(Visitor):
    def leave_field_definition(self, node: Any, *_: Any) -> Any:
        return replace(node, type=visit(node.type, _Nullable()))


class _Nullable(Visitor):
    def leave_non_null_type(self, node: NonNullTypeNode, *_: Any) -> Any:
        return node.type


def loose(document: DocumentNode) -> DocumentNode:
    """The same with every field nullable: each error shows, none takes another's place along."""
    nullable: DocumentNode = visit(document, _Loose())
    return nullable


def default_of(made: GraphQLArgument | GraphQLInputField) -> Any:
    """The default as a value of its type; `Undefined` where there is none."""
    return coerce_default_value(made)


def strictest(one: Any, other: Any) -> Any:
    """The type with every `!` that either has."""
    strict = is_non_null_type(one) or is_non_null_type(other)
    one = one.of_type if is_non_null_type(one) else one
    other = other.of_type if is_non_null_type(other) else other
    made = GraphQLList(strictest(one.of_type, other.of_type)) if is_list_type(one) and is_list_type(other) else one
    return GraphQLNonNull(made) if strict else made


__all__ = [
    "FieldFacts",
    "Key",
    "SubgraphFacts",
    "TypeFacts",
    "default_of",
    "field_set",
    "loose",
    "strictest",
    "visible",
]
