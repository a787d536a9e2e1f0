"""Selection set -> fields (`Field`): fragments dissolved into type conditions, `@skip`/`@include` into conditions, equal fields merged."""

from collections.abc import Iterable, Mapping

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
    Visitor,
    print_ast,
    visit,
)

from botberi_gateway.errors import PlanningError
from botberi_gateway.operation.defer import Defers
from botberi_gateway.operation.literals import arguments_text
from botberi_gateway.planner.tree import Conditions, Field, deferred, defers, without_defers
from botberi_gateway.query_graph import QueryGraph

#: More fields than this after dissolving fragments are refused: an operation that was admitted by `OperationLimits` stays far below.
MAX_FIELDS = 200_000

#: The last are the directives of fragments around, outermost first, and the number of the innermost `@defer` (below a field: None is its own).
_Scope = tuple[SelectionSetNode, str, frozenset[str] | None, Conditions, tuple[DirectiveNode, ...], int | None]
#: Where a fragment was spread: in which `@defer`, for which types, under which conditions on variables.
_Spread = tuple[int | None, frozenset[str] | None, frozenset[tuple[str, bool]]]
_Collected = dict[
    tuple[str, frozenset[str] | None, Conditions],
    tuple[FieldNode, str, list[SelectionSetNode], tuple[DirectiveNode, ...]],
]


class Walker:
    """Walks selections of one operation (or field sets); `names` learns which response keys mean what, by response path."""

    def __init__(
        self,
        graph: QueryGraph,
        fragments: Mapping[str, FragmentDefinitionNode] | None = None,
        directives: frozenset[str] = frozenset(),
        defers: Defers | None = None,
    ) -> None:
        self.graph = graph
        self.defers = defers
        #: Numbers of `@defer`s that a variable may turn off.
        self.uncertain = frozenset(one.number for one in defers or () if one.variable is not None)
        self.fragments = fragments or {}
        self.directives = directives
        self.names: dict[tuple[str, ...], dict[str, tuple[str, str]]] = {}
        #: Directives on fragments that subgraphs get too, on inline fragments.
        self.fragment_directives: frozenset[str] = frozenset()
        #: Names that the client's variables have.
        self.variables: frozenset[str] = frozenset()
        self.count = 0
        #: Arguments in an order of their own -> as the client writes them first.
        self._texts: dict[str, str] = {}

    def fields(
        self,
        parent: str,
        selection_sets: Iterable[SelectionSetNode],
        *,
        path: tuple[str, ...] = (),
        internal: bool = False,
        conditions: Conditions = (),
    ) -> tuple[Field, ...]:
        """The fields of these selections of an object of type `parent`."""
        scopes: list[_Scope] = [(s, parent, None, conditions, (), None) for s in selection_sets]
        return self._fields(parent, scopes, path, internal)

    def _fields(self, parent: str, scopes: list[_Scope], path: tuple[str, ...], internal: bool) -> tuple[Field, ...]:
        collected: _Collected = {}
        visited: dict[str, list[_Spread]] = {}
        for scope in scopes:
            self._collect(parent, scope, collected, visited)
        plain = {key[:2]: field[1] for key, field in collected.items() if not key[2]}
        before: set[str] = set()
        result = []
        for (key, types, conditions), (node, via, selections, around) in collected.items():
            if not conditions and types is None:
                before.add(key)
            # The same leaf is selected without condition. (Later for all types: where among the keys it stands depends on the type.
            # Later in a mutation: when it runs depends on the condition.)
            if conditions and not selections:
                everywhere = key in before or ((key, None) in plain and defers(conditions))
                other = plain.get((key, types))
                same = other is not None and (self.graph.is_abstract(via) or not self.graph.is_abstract(other))
                if everywhere or (same and parent != self.graph.roots["mutation"]):
                    continue
            self.count += 1
            if self.count > MAX_FIELDS:
                raise PlanningError(f"The operation selects more than {MAX_FIELDS} fields")
            result.append(self._field(node, key, via, types, conditions, selections, around, path, internal))
        return tuple(result)

    def _field(
        self,
        node: FieldNode,
        key: str,
        via: str,
        types: frozenset[str] | None,
        conditions: Conditions,
        selections: list[SelectionSetNode],
        around: tuple[DirectiveNode, ...],
        path: tuple[str, ...],
        internal: bool,
    ) -> Field:
        name = node.name.value
        arguments = tuple(node.arguments or ())
        text = self._written(arguments) if arguments else ""
        own = [d for d in node.directives or () if d.name.value in self.directives]
        if not internal:
            taken = self.names.setdefault(path, {})
            taken[key] = (name, text) if taken.get(key, (name, text)) == (name, text) else ("", "")
        type_name: str | None = None
        depth = 0
        if not name.startswith("__"):
            type_name, depth, _ = self._facts(via, types, name)
            if not selections:
                type_name = None
        children: tuple[Field, ...] = ()
        if type_name is not None:
            children = self._fields(
                type_name, [(s, type_name, None, (), (), None) for s in selections], (*path, key), internal
            )
        return Field(
            key=key,
            name=name,
            via=via,
            types=types,
            conditions=conditions,
            arguments=arguments,
            arguments_text=text,
            directives_text="".join(" " + print_ast(d) for d in own),
            type_name=type_name,
            list_depth=depth,
            children=children,
            internal=internal,
            variables=variables_of((*arguments, *own, *around)) if arguments or own or around else frozenset(),
            around=tuple(" " + print_ast(d) for d in around),
        )

    def _written(self, arguments: tuple[ArgumentNode, ...]) -> str:
        """The arguments as text; equal ones, in whatever order, as they are written first."""
        text = "(" + ", ".join(print_ast(a) for a in arguments) + ")"
        if len(arguments) == 1 and not isinstance(arguments[0].value, ObjectValueNode | ListValueNode):
            return text
        return self._texts.setdefault(arguments_text(arguments), text)

    def _facts(self, via: str, types: frozenset[str] | None, name: str) -> tuple[str, int, str]:
        if name in self.graph.types[via].fields:
            return self.graph.facts(via, name)
        raise PlanningError(f"Type {via} of the supergraph has no field {name}")

    def _collect(
        self,
        parent: str,
        scope: _Scope,
        into: _Collected,
        visited: dict[str, list[_Spread]],
    ) -> None:
        selection_set, via, types, conditions, around, within = scope
        for node in selection_set.selections:
            own, mark = conditions, within
            if node.directives:
                added = _conditions(node.directives, conditions)
                if added is None:
                    continue
                own = added
                if self.defers and not isinstance(node, FieldNode):
                    assert isinstance(node, FragmentSpreadNode | InlineFragmentNode)
                    directive = self.defers.of(node)
                    if directive is not None:
                        own, mark = tuple(sorted({*own, deferred(directive.number)})), directive.number
            if isinstance(node, FieldNode):
                key = node.alias.value if node.alias else node.name.value
                known = into.get((key, types, own))
                if known is None:
                    sets = [node.selection_set] if node.selection_set else []
                    into[key, types, own] = (node, via, sets, around)
                elif node.selection_set:
                    known[2].append(node.selection_set)
                    if self.graph.is_abstract(known[1]) and not self.graph.is_abstract(via):
                        # More is selected of objects of this type alone, be it the only one that clients see.
                        into[key, types, own] = (known[0], via, known[2], known[3])
                continue
            if isinstance(node, FragmentSpreadNode):
                fragment = self.fragments[node.name.value]
                condition: str | None = fragment.type_condition.name.value
                inner = fragment.selection_set
            else:
                assert isinstance(node, InlineFragmentNode)
                condition = node.type_condition.name.value if node.type_condition else None
                inner = node.selection_set
            narrowed, static = types, via
            if condition is not None and condition != via:
                everything = self.graph.possible(parent)
                narrowed = self.graph.possible(condition) & (everything if types is None else types)
                if not narrowed:
                    continue
                if narrowed == everything:
                    narrowed = None
                static = condition
                if self.graph.types[via].kind == "OBJECT":
                    static = via  # an object within a fragment on it stays one, whatever fragments follow
                elif (
                    narrowed is None
                    and self.graph.types[condition].kind == "INTERFACE"
                    and self._same_fields(parent, inner)
                ):
                    static = parent
            if self.defers and isinstance(node, FragmentSpreadNode):
                spread = mark, narrowed, frozenset(without_defers(own))
                seen = visited.setdefault(node.name.value, [])
                if any(_contains(other, spread) for other in seen):
                    continue
                if mark not in self.uncertain:  # where it is off, the fragment is in the one around
                    seen.append(spread)
            wrapping = tuple(d for d in node.directives or () if d.name.value in self.fragment_directives)
            self._collect(parent, (inner, static, narrowed, own, (*around, *wrapping), mark), into, visited)

    def _same_fields(self, parent: str, selection_set: SelectionSetNode) -> bool:
        """Whether the fields of a fragment that always applies can be read as fields of the parent type itself."""
        fields = self.graph.types[parent].fields
        return all(
            isinstance(node, FieldNode) and (node.name.value in fields or node.name.value == "__typename")
            for node in selection_set.selections
        )


def _contains(one: _Spread, other: _Spread) -> bool:
    """Whether a fragment that was spread there adds nothing here, as a `@defer` collects a fragment's fields once (CollectFields of the proposal)."""
    (mark, types, conditions), (other_mark, other_types, other_conditions) = one, other
    return (
        mark in (None, other_mark)
        and (types is None or (other_types is not None and other_types <= types))
        and conditions <= other_conditions
    )


def _conditions(directives: Iterable[DirectiveNode], outer: Conditions) -> Conditions | None:
    """What must hold, None where it never does (`@skip(if: true)`)."""
    found = list(outer)
    for directive in directives:
        name = directive.name.value
        if name not in ("skip", "include"):
            continue
        value = next((a.value for a in directive.arguments or () if a.name.value == "if"), None)
        wanted = name == "include"
        if isinstance(value, BooleanValueNode):
            if value.value is not wanted:
                return None
        elif isinstance(value, VariableNode):
            condition = (value.name.value, wanted)
            if (value.name.value, not wanted) in found:
                return None
            if condition not in found:
                found.append(condition)
    return tuple(sorted(found))


class _VariableNames(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        self.found.add(node.name.value)


def variables_of(nodes: Iterable[ArgumentNode | DirectiveNode]) -> frozenset[str]:
    """Names of the variables in arguments and directives."""
    visitor = _VariableNames()
    for node in nodes:
        visit(node, visitor)
    return frozenset(visitor.found)
