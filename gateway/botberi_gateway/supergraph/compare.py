"""Two supergraphs -> how they differ in meaning; order, spacing, and ways to write the same join don't count."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from graphql import (
    ConstDirectiveNode,
    DirectiveDefinitionNode,
    InputValueDefinitionNode,
    ListValueNode,
    TypeNode,
    ValueNode,
    print_ast,
)

from botberi_gateway.federation import normal_field_set
from botberi_gateway.federation.directives import COMPOSED
from botberi_gateway.federation.literals import comparable
from botberi_gateway.federation.specified import GRAPHQL_DIRECTIVES, definition
from botberi_gateway.supergraph.model import (
    EnumValue,
    InputField,
    JoinField,
    SupergraphData,
    SupergraphField,
    SupergraphType,
)
from botberi_gateway.supergraph.print import is_own_link

#: Arguments of GraphQL's own directives, which no supergraph defines.
_GRAPHQL = {
    name: {a.name.value: a for a in definition(name, sdl).arguments or ()} for name, sdl in GRAPHQL_DIRECTIVES.items()
}
#: Definitions that come with a linked specification whether or not a directive of it is applied.
_OPTIONAL_PREFIXES = ("join__", "link__", "core__", "context__", "cost__", "requiresScopes__", "policy__")


def differences(left: SupergraphData, right: SupergraphData, *, descriptions: bool = True) -> list[str]:
    """Readable lines, `path: in left | in right`; empty where both mean the same."""
    return list(
        _compare(
            "",
            _Normal(left, descriptions=descriptions).supergraph(),
            _Normal(right, descriptions=descriptions).supergraph(),
        )
    )


def _compare(path: str, before: Any, after: Any) -> Iterable[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys(), key=str):
            below = f"{path}.{key}" if path else str(key)
            if key not in before or key not in after:
                yield f"{below}: {before.get(key, '-')} | {after.get(key, '-')}"
            else:
                yield from _compare(below, before[key], after[key])
    elif before != after:
        if isinstance(before, frozenset) and isinstance(after, frozenset):
            left, right = sorted(map(str, before - after)), sorted(map(str, after - before))
            yield f"{path}: {left} | {right}"
        else:
            yield f"{path}: {before!r} | {after!r}"


def _is_optional(name: str) -> bool:
    return name.startswith(_OPTIONAL_PREFIXES) or name in COMPOSED


class _Normal:
    """A supergraph as nested dicts and frozensets in which equal means the same."""

    def __init__(self, graph: SupergraphData, *, descriptions: bool) -> None:
        self.graph = graph
        self.descriptions = descriptions
        self.names = {g.graph: g.name for g in graph.graphs.values()}
        self.applied: set[str] = set()
        self.parameters = _GRAPHQL | {
            d.name.value: {a.name.value: a for a in d.arguments or ()} for d in graph.directive_definitions
        }

    def supergraph(self) -> dict[str, Any]:
        graph = self.graph
        types = {t.name: self.type(t) for t in graph.types.values() if not t.name.startswith(_OPTIONAL_PREFIXES)}
        definitions = {d.name.value: self.definition(d) for d in graph.directive_definitions}
        return {
            "graphs": {g.name: g.url for g in graph.graphs.values()},
            "roots": {"query": graph.query, "mutation": graph.mutation, "subscription": graph.subscription},
            "types": types,
            "schema": self.directives(d for d in graph.schema_directives if not is_own_link(d)),
            "description": self.text(graph.description),
            "directives": {n: d for n, d in definitions.items() if n in self.applied or not _is_optional(n)},
        }

    def text(self, text: str | None) -> str | None:
        return " ".join(text.split()) or None if text and self.descriptions else None

    def directives(self, nodes: Iterable[ConstDirectiveNode] | None) -> frozenset["_Written"]:
        return frozenset(self.directive(node) for node in nodes or ())

    def directive(self, node: ConstDirectiveNode) -> "_Written":
        """The directive with the defaults of absent arguments; the order of a `@link`'s imports doesn't count."""
        name = node.name.value
        self.applied.add(name)
        parameters = self.parameters.get(name, {})
        defaults = {n: p.default_value for n, p in parameters.items()}
        arguments: dict[str, ValueNode] = {name: value for name, value in defaults.items() if value is not None}
        arguments |= {a.name.value: a.value for a in node.arguments or ()}
        values: dict[str, Hashable] = {}
        for argument, value in arguments.items():
            type_ = parameters[argument].type if argument in parameters else None
            values[argument] = comparable(value, type_, self.input_field_types)
            if argument == "import" and isinstance(value, ListValueNode):
                values[argument] = frozenset(comparable(item, None) for item in value.values)
        text = ", ".join(f"{argument}: {print_ast(arguments[argument])}" for argument in sorted(arguments))
        return _Written(f"@{name}({text})", (name, frozenset(values.items())))

    def input_field_types(self, name: str) -> dict[str, TypeNode] | None:
        type_ = self.graph.types.get(name)
        if type_ is None or type_.kind != "INPUT_OBJECT":
            return None
        return {field.name: field.node.type for field in type_.input_fields.values()}

    def definition(self, node: DirectiveDefinitionNode) -> dict[str, Any]:
        return {
            "arguments": {a.name.value: self.input(a) for a in node.arguments or ()},
            "locations": frozenset(place.value for place in node.locations),
            "repeatable": node.repeatable,
        }

    def input(self, node: InputValueDefinitionNode) -> dict[str, Any]:
        return {
            "type": print_ast(node.type),
            "default": None if node.default_value is None else self.default(node.default_value, node.type),
            "directives": self.directives(node.directives),
            "description": self.text(node.description.value if node.description else None),
        }

    def type(self, node: SupergraphType) -> dict[str, Any]:
        owners = list(dict.fromkeys(j.graph for j in node.joins))
        return {
            "kind": node.kind,
            "joins": frozenset(
                str(
                    (
                        self.names.get(j.graph),
                        j.key and normal_field_set(j.key),
                        j.extension,
                        j.resolvable,
                        j.is_interface_object,
                    )
                )
                for j in node.joins
            ),
            "interfaces": frozenset(node.interfaces),
            "implements": frozenset(f"{self.names.get(j.graph)}: {j.interface}" for j in node.implements),
            "members": frozenset(node.members),
            "memberJoins": frozenset(f"{self.names.get(j.graph)}: {j.member}" for j in node.member_joins),
            "fields": {f.name: self.field(f, owners) for f in node.fields.values()},
            "inputFields": {f.name: self.input_field(f, owners) for f in node.input_fields.values()},
            "values": {v.name: self.value(v, owners) for v in node.values.values()},
            "directives": self.directives(node.directives),
            "description": self.text(node.description),
        }

    def field(self, field: SupergraphField, owners: list[str]) -> dict[str, Any]:
        return {
            "type": print_ast(field.type),
            "arguments": {a.name.value: self.input(a) for a in field.arguments},
            "joins": self.joins(field.joins, owners, print_ast(field.type)),
            "directives": self.directives(field.directives),
            "description": self.text(field.description),
        }

    def input_field(self, field: InputField, owners: list[str]) -> dict[str, Any]:
        return {**self.input(field.node), "joins": self.joins(field.joins, owners, print_ast(field.node.type))}

    def joins(self, joins: tuple[JoinField, ...], owners: list[str], type_: str) -> frozenset[str]:
        result = []
        for join in joins or (JoinField(graph) for graph in owners):
            normal = replace(
                join,
                graph=self.names.get(join.graph) if join.graph else None,
                requires=join.requires and normal_field_set(join.requires),
                provides=join.provides and normal_field_set(join.provides),
                type=None if join.type == type_ else join.type,
                context_arguments=tuple(
                    sorted(
                        (replace(a, selection=" ".join(a.selection.split())) for a in join.context_arguments),
                        key=lambda a: a.name,
                    )
                ),
            )
            result.append(str(normal))
        return frozenset(result)

    def value(self, value: EnumValue, owners: list[str]) -> dict[str, Any]:
        return {
            "graphs": frozenset(str(self.names.get(g)) for g in value.graphs or owners),
            "directives": self.directives(value.directives),
            "description": self.text(value.description),
        }

    def default(self, value: ValueNode, type_: TypeNode) -> "_Written":
        return _Written(print_ast(value), comparable(value, type_, self.input_field_types))


@dataclass(frozen=True, slots=True)
class _Written:
    """A value, which alone counts, and one of the ways to write it."""

    text: str = field(compare=False)
    value: Hashable

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__
