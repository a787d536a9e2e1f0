"""One subgraph's SDL -> `Text` and what is wrong with it, never raising; and from that the `SubgraphSchema`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from graphql import (
    ConstDirectiveNode,
    DirectiveDefinitionNode,
    DocumentNode,
    GraphQLError,
    Node,
    SchemaDefinitionNode,
    SchemaExtensionNode,
    TypeDefinitionNode,
    TypeExtensionNode,
    specified_directives,
)

from botberi_gateway.composition.ingest.build import TypeBuilder
from botberi_gateway.composition.ingest.graphql_rules import invalid_graphql
from botberi_gateway.composition.ingest.machinery import machinery_types
from botberi_gateway.composition.ingest.redefinition import invalid_redefinitions, unknown_types
from botberi_gateway.composition.ingest.vocabulary import Vocabulary, vocabulary
from botberi_gateway.composition.problem import Location, Problem, place
from botberi_gateway.composition.subgraph import Applied, Element, InputDef, Subgraph, SubgraphSchema
from botberi_gateway.federation import Links, Version, read_links
from botberi_gateway.federation.directives import directives_of
from botberi_gateway.federation.sdl import SdlSource, parse_sdl
from botberi_gateway.federation.specified import SUBGRAPH_FIELDS, TYPES, types_of
from botberi_gateway.federation.versions import CORE, FEDERATION, FEDERATION_1, KNOWN_FEDERATION, KNOWN_LINK, LINK

_ROOTS = {"query": "Query", "mutation": "Mutation", "subscription": "Subscription"}


@dataclass(frozen=True, slots=True)
class Text:
    """A subgraph's SDL as it was read, independent of other subgraphs."""

    document: DocumentNode
    links: Links
    version: Version
    words: Vocabulary
    roots: dict[str, str]
    renames: dict[str, str]


def read(name: str, sdl: str) -> tuple[Text | None, list[Problem]]:
    """The text and its problems; the text is None if they leave nothing to build a schema from."""
    try:
        source = SdlSource(sdl, name)
        document = parse_sdl(source)
    except GraphQLError as error:
        at = tuple(Location(name, spot.line, spot.column) for spot in error.locations or ())
        return None, [Problem("INVALID_GRAPHQL", f"[{name}] {error.message}", at)]
    except RecursionError:
        return None, [Problem("INVALID_GRAPHQL", f"[{name}] The SDL is nested too deep.")]
    links = read_links(document)
    version, problems = _version(links, name)
    problems += [Problem(f.code, f"[{name}] {f.message}", place(name, f.node)) for f in links.faults]
    problems += _import_problems(links, version, name)
    problems += _shadowed(document, links, name)
    if problems:
        return None, _with_unknown(problems, document, links, version, name)
    defined = {d.name.value for d in document.definitions if isinstance(d, DirectiveDefinitionNode)}
    words = vocabulary(links, version, defined)
    problems = unknown_types(document, words, name)
    if problems:
        return None, problems
    problems = invalid_redefinitions(document, words, name)
    invalid = invalid_graphql(document, links, words, name, source)
    if problems:  # what follows from a wrong definition isn't reported, what is unknown without it is
        return None, problems + [p for p in invalid if "Unknown directive" in p.message]
    if invalid:
        return None, invalid
    roots, renames, problems = _roots(document, name)
    return Text(document, links, version, words, roots, renames), problems


def _version(links: Links, name: str) -> tuple[Version, list[Problem]]:
    problems = []
    for identity in (LINK, CORE):
        link = links.of(identity)
        if link and link.url.version and identity == LINK and link.url.version not in KNOWN_LINK:
            message = f"[{name}] The link specification has no version {link.url.version} (known: v1.0)."
            problems.append(Problem("UNKNOWN_LINK_VERSION", message, place(name, link.node)))
    link = links.of(FEDERATION)
    if link is None or link.url.version is None:
        return FEDERATION_1, problems
    if link.url.version not in KNOWN_FEDERATION:
        newest = max(KNOWN_FEDERATION)
        message = f"[{name}] The federation specification has no version {link.url.version} (known: v2.0 to {newest})."
        problems.append(Problem("UNKNOWN_FEDERATION_LINK_VERSION", message, place(name, link.node)))
    return link.url.version, problems


def _with_unknown(
    problems: list[Problem], document: DocumentNode, links: Links, version: Version, name: str
) -> list[Problem]:
    """The problems, and those that an unknown version adds: applications of directives without a definition.

    On the schema itself they are reported alone, as the reference looks at those before it looks at versions.
    """
    if links.of(FEDERATION) is None or version in KNOWN_FEDERATION or version == FEDERATION_1:
        return problems
    defined = {d.name.value for d in document.definitions if isinstance(d, DirectiveDefinitionNode)}
    defined |= {d.name for d in specified_directives} | {links.link_name or "link"}
    schemas = [d for d in document.definitions if isinstance(d, SchemaDefinitionNode | SchemaExtensionNode)]
    first = _undefined(schemas, defined, version, name)
    return first or [*problems, *_undefined(document.definitions, defined, version, name)]


def _undefined(nodes: Iterable[Node], defined: set[str], version: Version, name: str) -> list[Problem]:
    problems: dict[str, Problem] = {}
    stack: list[Any] = list(nodes)
    while stack:
        node = stack.pop()
        for directive in getattr(node, "directives", None) or ():
            if directive.name.value not in defined:
                used = f"@{directive.name.value}"
                message = f"[{name}] {used} is unknown, as the federation specification has no version {version}."
                problems.setdefault(used, Problem("INVALID_GRAPHQL", message, place(name, directive)))
        for key in ("fields", "arguments", "values"):
            stack.extend(getattr(node, key, None) or ())
    return list(problems.values())


def _import_problems(links: Links, version: Version, name: str) -> list[Problem]:
    link = links.of(FEDERATION)
    if link is None or version not in KNOWN_FEDERATION:
        return []
    directives, types = directives_of(version), types_of(version)
    problems = []
    for item in link.imports:
        exists = item.name[1:] in directives if item.name.startswith("@") else item.name in types
        if exists:
            continue
        if item.name in directives:
            hint = f'; write "@{item.name}"'
        elif item.name.removeprefix("@") in directives_of(max(KNOWN_FEDERATION)) or item.name in TYPES:
            hint = "; a later version of the specification has it"
        else:
            hint = ""
        message = f'[{name}] Federation {version} has no "{item.name}" to import{hint}.'
        problems.append(Problem("INVALID_LINK_DIRECTIVE_USAGE", message, place(name, link.node)))
    return problems


def _shadowed(document: DocumentNode, links: Links, name: str) -> list[Problem]:
    """Directives that are applied under a link's namespace, though the link imports them under another name."""
    problems = []
    for node in document.definitions:
        if not isinstance(node, DirectiveDefinitionNode):
            continue
        local = node.name.value
        for link in links.links:
            prefix, _, rest = local.partition("__")
            original = rest if rest and prefix == link.prefix else link.url.name if local == link.prefix else None
            item = next((i for i in link.imports if i.name == f"@{original}"), None)
            if item is not None and item.alias != f"@{local}" and _is_applied(document, local):
                message = (
                    f'[{name}] "@{original}" is imported as "{item.alias}" from "{link.url}", but "@{local}", '
                    "which is its name without the import, is defined and applied too: use one of them."
                )
                problems.append(Problem("INVALID_LINK_DIRECTIVE_USAGE", message, place(name, node)))
    return problems


def _is_applied(document: DocumentNode, directive: str) -> bool:
    stack: list[Any] = list(document.definitions)
    while stack:
        node = stack.pop()
        if any(d.name.value == directive for d in getattr(node, "directives", None) or ()):
            return True
        for key in ("fields", "arguments", "values"):
            stack.extend(getattr(node, key, None) or ())
    return False


def _roots(document: DocumentNode, name: str) -> tuple[dict[str, str], dict[str, str], list[Problem]]:
    """Root kind -> the type's name as written; written name -> default name; and the problems of roots."""
    roots: dict[str, str] = {}
    explicit = False
    types: dict[str, TypeDefinitionNode | TypeExtensionNode] = {}
    for node in document.definitions:
        if isinstance(node, TypeDefinitionNode | TypeExtensionNode):
            types.setdefault(node.name.value, node)
        elif isinstance(node, SchemaDefinitionNode | SchemaExtensionNode):
            explicit = explicit or isinstance(node, SchemaDefinitionNode)
            for operation in node.operation_types or ():
                roots[operation.operation.value] = operation.type.name.value
    for kind, default in _ROOTS.items():
        if kind not in roots and default in types and not explicit:
            roots[kind] = default
    problems = []
    renames = {}
    for kind, written in roots.items():
        default = _ROOTS[kind]
        if written == default or written not in types:
            continue
        if default in types:
            message = (
                f'[{name}] There is a type "{default}", but the {kind} root is "{written}". '
                "Only the root type may have this name: rename one of them."
            )
            problems.append(Problem(f"ROOT_{kind.upper()}_USED", message, place(name, types[default])))
            continue
        renames[written] = default
    return roots, renames, problems


def build(text: Text, subgraph: Subgraph, graph: str) -> SubgraphSchema:
    """A schema of its own; `graph` is its value of `join__Graph`."""
    document, links, words = text.document, text.links, text.words
    roots, renames = text.roots, text.renames
    builder = TypeBuilder(words, renames)
    machinery = machinery_types(links, words)
    own_directives: dict[str, DirectiveDefinitionNode] = {}
    arguments: dict[str, dict[str, InputDef]] = {}
    schema = Element("schema")
    for node in document.definitions:
        if isinstance(node, SchemaDefinitionNode | SchemaExtensionNode):
            schema.directives += _schema_directives(builder, node.directives, links)
            schema.node = schema.node or node
            if isinstance(node, SchemaDefinitionNode) and node.description:
                schema.description = node.description.value
        elif isinstance(node, DirectiveDefinitionNode):
            if node.name.value not in words.definitions and node.name.value != links.link_name:
                own_directives[node.name.value] = node
                arguments[node.name.value] = {
                    a.name.value: builder.input(a, extension=False) for a in node.arguments or ()
                }
        elif isinstance(node, TypeDefinitionNode | TypeExtensionNode) and node.name.value not in machinery:
            builder.add(node)
    query = builder.types.get("Query")
    if query is not None and query.kind == "OBJECT":
        for name in SUBGRAPH_FIELDS:
            query.fields.pop(name, None)
    kinds = {kind for kind, written in roots.items() if renames.get(written, written) in builder.types}
    return SubgraphSchema(
        name=subgraph.name,
        url=subgraph.url or "",
        graph=graph,
        version=text.version,
        links=links,
        types=builder.types,
        directive_definitions=own_directives,
        federation_names=words.directives,
        federation_types=frozenset(machinery),
        schema=schema,
        document=document,
        directive_arguments=arguments,
        query="query" in kinds,
        mutation="mutation" in kinds,
        subscription="subscription" in kinds,
    )


def _schema_directives(builder: TypeBuilder, nodes: Iterable[ConstDirectiveNode] | None, links: Links) -> list[Applied]:
    return [d for d in builder.directives(nodes, extension=False) if d.node.name.value != links.link_name]
