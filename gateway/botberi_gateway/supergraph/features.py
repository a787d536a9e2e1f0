"""A supergraph's `@link`s -> the features that a gateway must enforce or execute, and this one can't.

The link specification (https://specs.apollo.dev/link/v1.0#Purpose) says of `for: SECURITY` and `for: EXECUTION` that a
gateway that doesn't know the feature must not serve the schema: fields that it guards would be open to every client,
or be answered wrongly.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    ConstDirectiveNode,
    DocumentNode,
    EnumValueNode,
    SchemaDefinitionNode,
    SchemaExtensionNode,
    StringValueNode,
)

from botberi_gateway.errors import SupergraphError
from botberi_gateway.federation.links import read_links
from botberi_gateway.federation.versions import (
    AUTHENTICATED,
    CACHE_TAG,
    CONTEXT,
    CORE,
    COST,
    FEDERATION,
    INACCESSIBLE,
    JOIN,
    LINK,
    POLICY,
    REQUIRES_SCOPES,
    TAG,
    FeatureUrl,
)
from botberi_gateway.supergraph.model import SupergraphData

#: Feature -> the versions that this gateway enforces or executes, or (`tag`, `cost`, `cacheTag`) may ignore.
KNOWN: Final[dict[str, frozenset[tuple[int, int]] | None]] = {
    LINK: frozenset({(1, 0)}),
    CORE: frozenset({(0, 1), (0, 2)}),
    JOIN: frozenset({(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)}),
    INACCESSIBLE: frozenset({(0, 1), (0, 2)}),
    CONTEXT: frozenset({(0, 1)}),
    TAG: None,
    COST: None,
    CACHE_TAG: frozenset({(0, 1)}),
    # In a subgraph's own schema, whose machinery composition takes care of.
    FEDERATION: None,
}
#: Guards by nature: refused even where their link doesn't say that it is for security, or there is no link at all.
GUARDS: Final = {AUTHENTICATED: "authenticated", REQUIRES_SCOPES: "requiresScopes", POLICY: "policy"}


@dataclass(frozen=True, slots=True)
class Unenforced:
    """A feature that this gateway doesn't enforce. It is allowed by its `name`; `url` is as the link has it."""

    name: str
    url: str
    purpose: str

    def __str__(self) -> str:
        return f"@{self.name} ({self.url}, for: {self.purpose})"


def check_enforced(supergraph: SupergraphData, allowed: Collection[str] = ()) -> tuple[Unenforced, ...]:
    """The unenforced features, all of which are `allowed` by name. Raises `SupergraphError` if one isn't."""
    return admit(unenforced(supergraph), allowed)


def admit(features: Iterable[Unenforced], allowed: Collection[str]) -> tuple[Unenforced, ...]:
    """The features, all of which are allowed. Raises `SupergraphError` if one isn't."""
    unenforced_features = tuple(features)
    refused = [feature for feature in unenforced_features if feature.name not in allowed]
    if refused:
        raise SupergraphError(_refusal(refused))
    return unenforced_features


def _refusal(features: Sequence[Unenforced]) -> str:
    """Why a graph with these features isn't served, and the way out."""
    names = ", ".join(str(feature) for feature in features)
    options = " ".join(f"--allow-unenforced {feature.name}" for feature in features)
    return (
        f"The graph asks for what this gateway does not enforce: {names}. "
        "Served as it is, what they protect would be open to anybody. "
        "Take the directives out of the subgraphs and check there; "
        f"or, where subgraphs (or something in front) check already, serve it all the same by {options} "
        "(`Gateway(…, allow_unenforced=[…])` in Python)."
    )


def unenforced(supergraph: SupergraphData) -> Iterator[Unenforced]:
    """The features of a supergraph that this gateway doesn't enforce, each once."""
    document = supergraph.document
    if document is None:  # made by composition
        schema = SchemaDefinitionNode(directives=supergraph.schema_directives, operation_types=(), description=None)
        document = DocumentNode(definitions=(schema, *supergraph.directive_definitions))
    by_name = {feature.name: feature for feature in unenforced_links(document)}
    links = read_links(document)
    guards = {name: identity for identity, name in GUARDS.items()}
    for definition in supergraph.directive_definitions:
        name = definition.name.value
        if name in guards and links.source_of(name) is None:
            by_name.setdefault(name, Unenforced(name, "without a link", "SECURITY"))
    yield from by_name.values()


def unenforced_links(document: DocumentNode) -> Iterator[Unenforced]:
    """The links of a document, a supergraph's or a subgraph's, to what this gateway must know and doesn't."""
    link_name = read_links(document).link_name
    for directive in _schema_directives(document):
        if directive.name.value not in ("link", "core", link_name):
            continue
        arguments = {argument.name.value: argument.value for argument in directive.arguments or ()}
        url = _text(arguments.get("url", arguments.get("feature")))
        purpose = _text(arguments.get("for"))
        parsed = FeatureUrl.parse(url)
        identity = parsed.identity if parsed is not None else url
        if identity in GUARDS:
            yield Unenforced(GUARDS[identity], url, purpose or "SECURITY")
        elif purpose and not _is_known(parsed):
            name = parsed.name if parsed is not None and parsed.name else url
            yield Unenforced(_text(arguments.get("as")) or name, url, purpose)


def _is_known(url: FeatureUrl | None) -> bool:
    if url is None or url.identity not in KNOWN:
        return False
    versions = KNOWN[url.identity]
    return versions is None or (url.version is not None and tuple(url.version) in versions)


def _schema_directives(document: DocumentNode) -> Iterator[ConstDirectiveNode]:
    for node in document.definitions:
        if isinstance(node, SchemaDefinitionNode | SchemaExtensionNode):
            yield from node.directives or ()


def _text(value: Any) -> str:
    """An enum's name or a string; "" for anything else."""
    return value.value if isinstance(value, EnumValueNode | StringValueNode) else ""
