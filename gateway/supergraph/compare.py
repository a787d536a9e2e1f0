"""Two supergraphs -> how they differ in meaning; order, spacing, and ways to write the same join don't count."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from graphql import (
    ConstDirectiveNode,
    DirectiveDefinitionNode,
    InputValueDefinitionNode,
    ListValueNode,
    Node,
    ObjectValueNode,
    print_ast,
)

from gateway.federation import normal_field_set
from gateway.federation.directives import COMPOSED_BY_NAME
from gateway.supergraph.model import EnumValue, InputField, JoinField, SupergraphData, SupergraphField, SupergraphType
from gateway.supergraph.print import is_own_link

#: Definitions that come with a linked specification whether or not a directive of it is applied.
_OPTIONAL_PREFIXES = ("join__", "link__", "core__", "context__", "cost__", "requiresScopes__", "policy__")


def differences(one: SupergraphData, other: SupergraphData, *, descriptions: bool = True) -> list[str]:
    """Readable lines, `path: in one | in other`; empty where both mean the same."""
    return list(_compare("", _Normal(one, descriptions).supergraph(), _Normal(other, descriptions).supergraph()))


def _compare(path: str, one: Any, other: Any) -> Iterable[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys(), key=str):
            below = f"{path}.{key}" if path else str(key)
            if key not in one or key not in other:
                yield f"{below}: {one.get(key, '-')} | {other.get(key, '-')}"
            else:
                yield from _compare(below, one[key], other[key])
    elif one != other:
        if isinstance(one, frozenset) and isinstance(other, frozenset):
            left, right = sorted(map(str, one - other)), sorted(map(str, other - one))
            yield f"{path}: {left} | {right}"
        else:
            yield f"{path}: {one!r} | {other!r}"


def _is_optional(name: str) -> bool:
    return name.startswith(_OPTIONAL_PREFIXES) or name in COMPOSED_BY_NAME


class _Normal:
    """A supergraph as nested dicts and frozensets in which equal means the same."""

    def __init__(self, graph: SupergraphData, descriptions: bool) -> None:
        self.graph = graph
        self.descriptions = descriptions
        self.names = {g.graph: g.name for g in graph.graphs.values()}
        self.applied: set[str] = set()

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

    def directives(self, nodes: Iterable[ConstDirectiveNode] | None) -> frozenset[str]:
        found = []
        for node in nodes or ():
            self.applied.add(node.name.value)
            arguments = sorted(
                f"{a.name.value}: {_value(a.value, a.name.value == 'import')}" for a in node.arguments or ()
            )
            if node.name.value == "deprecated" and not arguments:
                arguments = ['reason: "No longer supported"']
            found.append(f"@{node.name.value}({', '.join(arguments)})")
        return frozenset(found)

    def definition(self, node: DirectiveDefinitionNode) -> dict[str, Any]:
        return {
            "arguments": {a.name.value: self.input(a) for a in node.arguments or ()},
            "locations": frozenset(place.value for place in node.locations),
            "repeatable": node.repeatable,
        }

    def input(self, node: InputValueDefinitionNode) -> dict[str, Any]:
        return {
            "type": print_ast(node.type),
            "default": None if node.default_value is None else _default(node),
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
        found = []
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
            found.append(str(normal))
        return frozenset(found)

    def value(self, value: EnumValue, owners: list[str]) -> dict[str, Any]:
        return {
            "graphs": frozenset(str(self.names.get(g)) for g in value.graphs or owners),
            "directives": self.directives(value.directives),
            "description": self.text(value.description),
        }


def _default(node: InputValueDefinitionNode) -> str:
    """A default value's text; an `ID` written as a number is the same as its text in quotes."""
    assert node.default_value is not None
    text = _value(node.default_value)
    bare = text[1:-1] if text.startswith('"') else ""
    return bare if print_ast(node.type).rstrip("!") == "ID" and bare.isdigit() else text


def _value(node: Node, unordered: bool = False) -> str:
    """A value's text, whatever the order of an object's fields, or of a list's items if that doesn't count."""
    if isinstance(node, ObjectValueNode):
        fields: Mapping[str, str] = {f.name.value: _value(f.value) for f in node.fields}
        return "{" + ", ".join(f"{k}: {fields[k]}" for k in sorted(fields)) + "}"
    if isinstance(node, ListValueNode):
        items = [_value(v) for v in node.values]
        return "[" + ", ".join(sorted(items) if unordered else items) + "]"
    return print_ast(node)
