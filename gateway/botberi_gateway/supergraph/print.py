"""SupergraphData -> join-specification SDL, in one order that depends on nothing but the graph."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from graphql import ConstDirectiveNode, InputValueDefinitionNode, StringValueNode, print_ast
from graphql.language.block_string import print_block_string

from botberi_gateway.federation.printed import printed, printed_type
from botberi_gateway.federation.versions import JOIN, LINK, FeatureUrl, Version
from botberi_gateway.supergraph.machinery import LATEST_JOIN, WRITTEN_JOIN, machinery_directives, machinery_types
from botberi_gateway.supergraph.model import (
    InputField,
    JoinField,
    JoinType,
    SupergraphData,
    SupergraphField,
    SupergraphType,
)

_KEYWORDS = {
    "OBJECT": "type",
    "INTERFACE": "interface",
    "UNION": "union",
    "ENUM": "enum",
    "INPUT_OBJECT": "input",
    "SCALAR": "scalar",
}


def print_supergraph(supergraph: SupergraphData, join: Version = LATEST_JOIN) -> str:
    """SDL that reads back to the same supergraph. Raises `ValueError` for a join version that isn't written."""
    if join not in WRITTEN_JOIN:
        written = ", ".join(str(v) for v in WRITTEN_JOIN)
        raise ValueError(f"supergraphs are written in join {written}, not {join}")
    directives = machinery_directives(join)
    if "join__directive" not in directives:
        supergraph = _without_join_directives(supergraph)
    directives |= {d.name.value: print_ast(d) for d in supergraph.directive_definitions}
    types = machinery_types(join)
    types["join__Graph"] = _graph_enum(supergraph)
    types |= {t.name: _type(t) for t in supergraph.types.values()}
    parts = [
        _schema(supergraph, join),
        *(directives[name] for name in sorted(directives)),
        *(types[name] for name in sorted(types)),
    ]
    return "\n\n".join(parts) + "\n"


def _without_join_directives(supergraph: SupergraphData) -> SupergraphData:
    """Older join versions have no way to say what a subgraph's other directives are."""

    def kept(directives: tuple[ConstDirectiveNode, ...]) -> tuple[ConstDirectiveNode, ...]:
        return tuple(d for d in directives if d.name.value != "join__directive")

    types = {
        type_.name: replace(
            type_,
            directives=kept(type_.directives),
            fields={name: replace(field, directives=kept(field.directives)) for name, field in type_.fields.items()},
        )
        for type_ in supergraph.types.values()
    }
    return replace(supergraph, types=types, schema_directives=kept(supergraph.schema_directives))


def _schema(supergraph: SupergraphData, join: Version) -> str:
    links = [f'@link(url: "{LINK}/v1.0")', f'@link(url: "{JOIN}/{join}", for: EXECUTION)']
    links += [printed(d) for d in supergraph.schema_directives if not is_own_link(d)]
    roots = [("query", supergraph.query), ("mutation", supergraph.mutation), ("subscription", supergraph.subscription)]
    lines = [f"  {kind}: {name}" for kind, name in roots if name]
    head = _description(supergraph.description, "") + "schema\n"
    return head + "".join(f"  {link}\n" for link in links) + "{\n" + "\n".join(lines) + "\n}"


def is_own_link(directive: ConstDirectiveNode) -> bool:
    """A link to the link (or core) or the join specification: the printer's own."""
    if directive.name.value not in ("link", "core"):
        return False
    for argument in directive.arguments or ():
        if argument.name.value in ("url", "feature") and isinstance(argument.value, StringValueNode):
            url = FeatureUrl.parse(argument.value.value)
            return url is not None and url.identity in (LINK, JOIN, "https://specs.apollo.dev/core")
    return False


def _graph_enum(supergraph: SupergraphData) -> str:
    lines = [
        f"  {g.graph} @join__graph(name: {_text(g.name)}, url: {_text(g.url)})" for g in supergraph.graphs.values()
    ]
    return "enum join__Graph {\n" + "\n".join(lines) + "\n}"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\u007f", "\\u007F")


def _description(text: str | None, indent: str) -> str:
    if text is None:
        return ""
    node = StringValueNode(value=text, block=_fits_block(text))
    printed = print_block_string(text) if node.block else print_ast(node)
    if node.block and "\n" not in printed:
        printed = f'"""\n{printed[3:-3]}\n"""'
    return "".join(f"{indent}{line}\n" if line else "\n" for line in printed.split("\n"))


def _fits_block(text: str) -> bool:
    """A block string keeps it as it is: no control characters, no blank edge, no common indent that would be lost."""
    if not text or any(ord(c) < 0x20 and c not in "\n\t" for c in text) or text.endswith(("\\", '"')):
        return False
    lines = text.split("\n")
    if not lines[0].strip() or not lines[-1].strip():
        return False
    indents = [len(line) - len(line.lstrip(" \t")) for line in lines if line.strip()]
    return min(indents) == 0


def _type(node: SupergraphType) -> str:
    head = f"{_description(node.description, '')}{_KEYWORDS[node.kind]} {node.name}"
    if node.interfaces:
        head += " implements " + " & ".join(node.interfaces)
    marks = [f'@join__implements(graph: {j.graph}, interface: "{j.interface}")' for j in node.implements]
    marks += [_join_type(j) for j in node.joins]
    marks += [f'@join__unionMember(graph: {j.graph}, member: "{j.member}")' for j in node.member_joins]
    marks += [printed(d) for d in node.directives]
    head += "".join(f"\n  {mark}" for mark in marks)
    if node.kind == "SCALAR":
        return head
    if node.kind == "UNION":
        return f"{head}\n = {' | '.join(node.members)}" if node.members else head
    body = list(_body(node))
    return head + "\n{\n" + "\n".join(body) + "\n}" if body else head


def _body(node: SupergraphType) -> Iterator[str]:
    if node.kind == "ENUM":
        for value in node.values.values():
            marks = [f"@join__enumValue(graph: {graph})" for graph in value.graphs]
            marks += [printed(d) for d in value.directives]
            yield _member(value.description, value.name, marks)
    elif node.kind == "INPUT_OBJECT":
        for field in node.input_fields.values():
            yield _input_field(field)
    else:
        for member in node.fields.values():
            yield _field(member)


def _member(description: str | None, text: str, marks: Iterable[str]) -> str:
    return _description(description, "  ") + "  " + " ".join([text, *marks])


def _field(field: SupergraphField) -> str:
    arguments = _arguments(field.arguments)
    marks = [*(_join_field(j) for j in field.joins), *(printed(d) for d in field.directives)]
    return _member(field.description, f"{field.name}{arguments}: {printed_type(field.type)}", marks)


def _arguments(arguments: tuple[InputValueDefinitionNode, ...]) -> str:
    if not arguments:
        return ""
    if all(a.description is None for a in arguments):
        return "(" + ", ".join(_input_value(a) for a in arguments) + ")"
    lines = [
        _description(a.description.value if a.description else None, "    ") + "    " + _input_value(a)
        for a in arguments
    ]
    return "(\n" + "\n".join(lines) + "\n  )"


def _input_value(node: InputValueDefinitionNode, marks: Iterable[str] = ()) -> str:
    text = f"{node.name.value}: {printed_type(node.type)}"
    if node.default_value is not None:
        text += f" = {printed(node.default_value)}"
    return " ".join([text, *marks, *(printed(d) for d in node.directives or ())])


def _input_field(field: InputField) -> str:
    description = field.node.description.value if field.node.description else None
    return _member(description, _input_value(field.node, [_join_field(j) for j in field.joins]), ())


def _join_type(join: JoinType) -> str:
    values = [f"graph: {join.graph}"]
    if join.key is not None:
        values.append(f"key: {_text(join.key)}")
    if join.extension:
        values.append("extension: true")
    if not join.resolvable:
        values.append("resolvable: false")
    if join.is_interface_object:
        values.append("isInterfaceObject: true")
    return f"@join__type({', '.join(values)})"


def _join_field(join: JoinField) -> str:
    values = [f"graph: {join.graph}"] if join.graph else []
    for name, text in (
        ("requires", join.requires),
        ("provides", join.provides),
        ("type", join.type),
    ):
        if text is not None:
            values.append(f"{name}: {_text(text)}")
    if join.external:
        values.append("external: true")
    if join.override is not None:
        values.append(f"override: {_text(join.override)}")
    if join.used_overridden:
        values.append("usedOverridden: true")
    if join.override_label is not None:
        values.append(f"overrideLabel: {_text(join.override_label)}")
    if join.context_arguments:
        entries = (
            f"{{context: {_text(a.context)}, name: {_text(a.name)}, type: {_text(a.type)}, "
            f"selection: {_text(a.selection)}}}"
            for a in join.context_arguments
        )
        values.append(f"contextArguments: [{', '.join(entries)}]")
    return f"@join__field({', '.join(values)})" if values else "@join__field"
