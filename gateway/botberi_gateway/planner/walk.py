"""Selection sets -> fields (`Field`).

Fragments become sets of concrete types, `@skip`, `@include` and `@defer` become conditions.
"""

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias
from weakref import WeakKeyDictionary

from graphql import (
    ArgumentNode,
    BooleanValueNode,
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    SelectionSetNode,
    VariableNode,
    print_ast,
)

from botberi_gateway.errors import PlanningError
from botberi_gateway.federation.printed import printed
from botberi_gateway.operation.defer import Defers
from botberi_gateway.operation.literals import arguments_text
from botberi_gateway.planner.conditions import ALWAYS, Conditions
from botberi_gateway.planner.representations import Meaning
from botberi_gateway.planner.scopes import Collected, Scope, Spread
from botberi_gateway.planner.tree import Field
from botberi_gateway.planner.variables import variables_of
from botberi_gateway.query_graph import QueryGraph, parse_field_set

#: More fields than this after expanding fragments are refused: an operation that `OperationLimits` admits stays far
#: below.
MAX_FIELDS = 200_000
#: A response key that means different things at the same path.
_AMBIGUOUS: Meaning = ("", "")


#: Query graph -> the fields of field sets, by the type that they are of and their text. They are never changed.
_FIELD_SETS: Final[WeakKeyDictionary[QueryGraph, dict[tuple[str, str], tuple[Field, ...]]]] = WeakKeyDictionary()
_Collection: TypeAlias = dict[tuple[str, frozenset[str] | None, Conditions], Collected]
_Spreads: TypeAlias = dict[str, list[Spread]]


class Walker:
    """Walks the selections of one operation, and the field sets that are needed for it."""

    def __init__(
        self,
        graph: QueryGraph,
        fragments: Mapping[str, FragmentDefinitionNode] | None = None,
        *,
        field_directives: frozenset[str] = frozenset(),
        fragment_directives: frozenset[str] = frozenset(),
        defers: Defers | None = None,
        variables: frozenset[str] = frozenset(),
    ) -> None:
        """The directives are those that subgraphs get as the client wrote them, on fields and on inline fragments.

        `variables` are the client's.
        """
        self.graph = graph
        self.fragments = fragments or {}
        self.field_directives = field_directives
        self.fragment_directives = fragment_directives
        self.defers = defers
        self.variables = variables
        #: The response keys that the client has at each path of response keys.
        self.names: dict[tuple[str, ...], dict[str, Meaning]] = {}
        #: Numbers of `@defer`s that a variable may turn off.
        self._variable_defers = frozenset(d.number for d in defers or () if d.variable is not None)
        self._count = 0
        #: Arguments in a fixed order -> as the client writes them first.
        self._arguments: dict[str, str] = {}

    def fields(
        self,
        parent: str,
        selection_sets: Iterable[SelectionSetNode],
        *,
        internal: bool = False,
        conditions: Conditions = ALWAYS,
    ) -> tuple[Field, ...]:
        """The fields that are selected of an object of type `parent`, with all below.

        `internal`: they are the planner's own.
        """
        scopes = [Scope(selections, parent, None, conditions) for selections in selection_sets]
        return self._fields(parent, scopes, (), internal)

    def field_set(self, parent: str, text: str, conditions: Conditions = ALWAYS) -> tuple[Field, ...]:
        """The fields of a field set (a key, `@requires`, `@provides`) of an object of type `parent`: the planner's own.

        They are the same for every operation, but for arguments, which are written as the client writes equal ones.
        """
        if conditions or "(" in text:
            return self.fields(parent, [parse_field_set(text)], internal=True, conditions=conditions)
        known = _FIELD_SETS.setdefault(self.graph, {})
        fields = known.get((parent, text))
        if fields is None:
            fields = known[parent, text] = self.fields(parent, [parse_field_set(text)], internal=True)
        return fields

    def _fields(self, parent: str, scopes: list[Scope], path: tuple[str, ...], internal: bool) -> tuple[Field, ...]:
        collection: _Collection = {}
        spreads: _Spreads = {}
        for scope in scopes:
            self._collect(parent, scope, collection, spreads)
        plain = {key[:2]: collected.via for key, collected in collection.items() if key[2] == ALWAYS}
        before: set[str] = set()
        fields = []
        for (key, types, conditions), collected in collection.items():
            is_plain = conditions == ALWAYS
            if is_plain and types is None:
                before.add(key)
            # The same leaf is selected without condition. (Later for all types: where among the keys it stands depends
            # on the type. Later in a mutation: when it runs depends on the condition.)
            if not is_plain and not collected.selections:
                everywhere = key in before or ((key, None) in plain and conditions.defers)
                other = plain.get((key, types))
                same = other is not None and (
                    self.graph.is_abstract(collected.via) or not self.graph.is_abstract(other)
                )
                if everywhere or (same and parent != self.graph.roots["mutation"]):
                    continue
            self._count += 1
            if self._count > MAX_FIELDS:
                raise PlanningError(f"The operation selects more than {MAX_FIELDS} fields")
            field = self._field(collected, key, path, internal)
            field.types, field.conditions = types, conditions
            fields.append(field)
        return tuple(fields)

    def _field(self, collected: Collected, key: str, path: tuple[str, ...], internal: bool) -> Field:
        """The field for all types, without conditions."""
        node, around = collected.node, collected.directives
        name = node.name.value
        arguments = tuple(node.arguments or ())
        text = self._arguments_text(arguments) if arguments else ""
        directives = [d for d in node.directives if d.name.value in self.field_directives] if node.directives else []
        if not internal:
            client = self.names.setdefault(path, {})
            meaning = (name, text)
            client[key] = meaning if client.setdefault(key, meaning) == meaning else _AMBIGUOUS
        field = Field(
            key=key,
            name=name,
            via=collected.via,
            arguments=arguments,
            arguments_text=text,
            internal=internal,
        )
        if directives or around:
            field.directives_text = "".join(" " + print_ast(d) for d in directives)
            field.fragment_directives = tuple(" " + print_ast(d) for d in around)
        if arguments or directives or around:
            field.variables = variables_of((*arguments, *directives, *around))
        if not name.startswith("__"):
            if name not in self.graph.types[collected.via].fields:
                raise PlanningError(f"Type {collected.via} of the supergraph has no field {name}")
            type_name, field.list_depth, _ = self.graph.facts(collected.via, name)
            if collected.selections:
                field.type_name = type_name
                scopes = [Scope(selections, type_name, None, ALWAYS) for selections in collected.selections]
                field.children = self._fields(type_name, scopes, (*path, key), internal)
        return field

    def _arguments_text(self, arguments: tuple[ArgumentNode, ...]) -> str:
        """The arguments as text. Equal ones in another order get the text of those that came first."""
        text = "(" + ", ".join([_argument_text(argument) for argument in arguments]) + ")"
        if len(arguments) == 1 and not isinstance(arguments[0].value, ObjectValueNode | ListValueNode):
            return text
        return self._arguments.setdefault(arguments_text(arguments), text)

    def _collect(self, parent: str, scope: Scope, into: _Collection, spreads: _Spreads) -> None:
        """Add the fields of a scope and of the fragments in it."""
        for node in scope.selections.selections:
            conditions, defer = scope.conditions, scope.defer
            if node.directives:
                with_own = _with_conditions_of(node.directives, conditions)
                if with_own is None:
                    continue
                conditions = with_own
                if self.defers and not isinstance(node, FieldNode):
                    assert isinstance(node, FragmentSpreadNode | InlineFragmentNode)
                    directive = self.defers.of(node)
                    if directive is not None:
                        conditions = conditions.with_defers(frozenset((directive.number,)))
                        defer = directive.number
            if isinstance(node, FieldNode):
                self._collect_field(node, scope, conditions, into)
                continue
            assert isinstance(node, FragmentSpreadNode | InlineFragmentNode)
            inner = self._fragment(parent, node, scope, conditions, defer)
            if inner is not None and not (
                self.defers and isinstance(node, FragmentSpreadNode) and self._is_spread_before(node, inner, spreads)
            ):
                self._collect(parent, inner, into, spreads)

    def _collect_field(self, node: FieldNode, scope: Scope, conditions: Conditions, into: _Collection) -> None:
        key = node.alias.value if node.alias else node.name.value
        known = into.get((key, scope.types, conditions))
        if known is None:
            selections = [node.selection_set] if node.selection_set else []
            into[key, scope.types, conditions] = Collected(node, scope.via, selections, scope.directives)
        elif node.selection_set:
            known.selections.append(node.selection_set)
            if self.graph.is_abstract(known.via) and not self.graph.is_abstract(scope.via):
                # More is selected of objects of this type alone, be it the only one that clients see.
                known.via = scope.via

    def _fragment(
        self,
        parent: str,
        node: FragmentSpreadNode | InlineFragmentNode,
        outer: Scope,
        conditions: Conditions,
        defer: int | None,
    ) -> Scope | None:
        """The scope of a fragment under these conditions; None where it never applies.

        `outer` is the scope in which it stands.
        """
        condition: str | None
        if isinstance(node, FragmentSpreadNode):
            fragment = self.fragments[node.name.value]
            condition, selections = fragment.type_condition.name.value, fragment.selection_set
        else:
            condition = node.type_condition.name.value if node.type_condition else None
            selections = node.selection_set
        own = tuple(d for d in node.directives or () if d.name.value in self.fragment_directives)
        directives = (*outer.directives, *own)
        types, via = outer.types, outer.via
        if condition is not None and condition != via:
            everything = self.graph.possible(parent)
            types = self.graph.possible(condition) & (everything if types is None else types)
            if not types:
                return None
            if types == everything:
                types = None
            via = self._via(parent, condition, outer.via, selections, is_for_all=types is None)
        return Scope(selections, via, types, conditions, directives, defer)

    def _via(
        self, parent: str, condition: str, outer_via: str, selections: SelectionSetNode, *, is_for_all: bool
    ) -> str:
        """The type on which the fields of a fragment are selected.

        `is_for_all`: the fragment applies to every object here.
        """
        if self.graph.types[outer_via].kind == "OBJECT":
            return outer_via  # an object within a fragment on it stays one, whatever fragments follow
        if is_for_all and self.graph.types[condition].kind == "INTERFACE" and self._has_same_fields(parent, selections):
            return parent
        return condition

    def _has_same_fields(self, parent: str, selections: SelectionSetNode) -> bool:
        """Whether the fields of a fragment that always applies can be read as fields of the parent type itself."""
        fields = self.graph.types[parent].fields
        return all(
            isinstance(node, FieldNode) and (node.name.value in fields or node.name.value == "__typename")
            for node in selections.selections
        )

    def _is_spread_before(self, node: FragmentSpreadNode, inner: Scope, spreads: _Spreads) -> bool:
        """Whether an earlier spread of the same fragment has all that this one would add.

        If not, the spread is noted.
        """
        spread = Spread(inner.defer, inner.types, inner.conditions.without_defers())
        earlier = spreads.setdefault(node.name.value, [])
        if any(other.contains(spread) for other in earlier):
            return True
        if inner.defer not in self._variable_defers:  # where it is off, the fragment belongs to the `@defer` around
            earlier.append(spread)
        return False


def _argument_text(argument: ArgumentNode) -> str:
    value = argument.value
    text = f"${value.name.value}" if isinstance(value, VariableNode) else printed(value)
    return f"{argument.name.value}: {text}"


def _with_conditions_of(directives: Iterable[DirectiveNode], outer: Conditions) -> Conditions | None:
    """The outer conditions and those of `@skip` and `@include`; None where they never hold (`@skip(if: true)`)."""
    variables = set(outer.variables)
    for directive in directives:
        name = directive.name.value
        if name not in ("skip", "include"):
            continue
        value = next((a.value for a in directive.arguments or () if a.name.value == "if"), None)
        required = name == "include"
        if isinstance(value, BooleanValueNode):
            if value.value is not required:
                return None
        elif isinstance(value, VariableNode):
            if (value.name.value, not required) in variables:
                return None
            variables.add((value.name.value, required))
    return Conditions(frozenset(variables), outer.defers)
