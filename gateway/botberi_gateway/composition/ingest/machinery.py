"""The federation's own types in a subgraph, and the fields of the subgraph's own types that name them.

Such a field would lose its type, as the federation's types are no part of the supergraph.
"""

from collections.abc import Iterator
from typing import Any

from graphql import DirectiveDefinitionNode, DocumentNode, GraphQLError, TypeDefinitionNode, TypeExtensionNode

from botberi_gateway.composition.ingest.vocabulary import Vocabulary
from botberi_gateway.composition.subgraph import base_name
from botberi_gateway.federation import Links
from botberi_gateway.federation.specified import EXECUTABLE_LOCATIONS, SUBGRAPH_FIELDS, SUBGRAPH_TYPES
from botberi_gateway.federation.versions import LINK


def machinery_types(links: Links, words: Vocabulary) -> set[str]:
    """Local names; none of these comes into the supergraph."""
    names = {"link__Import", "link__Purpose", "core__Purpose", "core__Import"}
    link = links.of(LINK)
    if link is not None:
        names |= {link.type_name("Import"), link.type_name("Purpose")}
    return names | set(words.types.values()) | SUBGRAPH_TYPES


def machinery_uses(document: DocumentNode, links: Links, words: Vocabulary) -> Iterator[GraphQLError]:
    """Fields, arguments and members of the subgraph's own types that are of the federation's types."""
    names = machinery_types(links, words)
    for node in document.definitions:
        # Directives that clients use; others are composed only where a subgraph asks for it.
        if isinstance(node, DirectiveDefinitionNode) and any(p.value in EXECUTABLE_LOCATIONS for p in node.locations):
            for argument in node.arguments or ():
                if base_name(argument.type) in names:
                    yield _error(f"@{node.name.value}", base_name(argument.type), argument)
        if not isinstance(node, TypeDefinitionNode | TypeExtensionNode) or node.name.value in names:
            continue
        anything: Any = node
        for member in getattr(anything, "types", None) or ():
            if member.name.value in names:
                yield _error(node.name.value, member.name.value, member)
        for field in getattr(anything, "fields", None) or ():
            if field.name.value in SUBGRAPH_FIELDS:
                continue
            for used in (field, *(getattr(field, "arguments", None) or ())):
                if base_name(used.type) in names:
                    yield _error(f"{node.name.value}.{field.name.value}", base_name(used.type), used)


def _error(where: str, name: str, node: Any) -> GraphQLError:
    return GraphQLError(f'"{where}" can\'t be of the type "{name}": it is the federation\'s own.', node)
