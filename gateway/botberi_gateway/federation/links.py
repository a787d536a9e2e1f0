"""Schema definitions of a document -> its `@link`s, with what each imports under which name."""

import re
from collections.abc import Callable, Iterable, Iterator, Set
from urllib.parse import urlsplit

from graphql import (
    ConstDirectiveNode,
    ConstValueNode,
    DirectiveDefinitionNode,
    DocumentNode,
    EnumValueNode,
    ListValueNode,
    Node,
    NullValueNode,
    ObjectValueNode,
    SchemaDefinitionNode,
    SchemaExtensionNode,
    StringValueNode,
)

from botberi_gateway.federation.link_clashes import clashes
from botberi_gateway.federation.link_model import Import, Link, LinkFault, Links
from botberi_gateway.federation.versions import CORE, FEDERATION, INACCESSIBLE, LINK, TAG, FeatureUrl

_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")
#: A namespace that isn't a GraphQL name serves for links whose elements are all imported.
_NAMESPACE = re.compile(r"[_A-Za-z][_0-9A-Za-z.-]*")


def read_links(document: DocumentNode) -> Links:
    """Never raises: faults are part of the answer."""
    applied = list(_schema_directives(document))
    defined = {d.name.value for d in document.definitions if isinstance(d, DirectiveDefinitionNode)}
    link_name, linked = _bootstrap(applied, defined)
    if link_name is None:
        return Links((), None, ())
    faults: list[LinkFault] = []
    links: list[Link] = []
    for node in applied:
        if node.name.value == link_name:
            link = _read_link(node, faults)
            if link is not None:
                links.append(link)
    is_federation_2 = any(link.url.identity == FEDERATION for link in links)
    if linked is None and not is_federation_2:
        # a schema of federation 1 that doesn't link the link specification itself: its @links mean nothing
        return Links((), link_name, tuple(faults))
    faults += clashes(links, upgraded=linked == LINK and not is_federation_2)
    return Links(tuple(links), link_name, tuple(faults))


def _schema_directives(document: DocumentNode) -> Iterator[ConstDirectiveNode]:
    for node in document.definitions:
        if isinstance(node, SchemaDefinitionNode | SchemaExtensionNode):
            yield from node.directives or ()


def _bootstrap(applied: Iterable[ConstDirectiveNode], defined: Set[str]) -> tuple[str | None, str | None]:
    """The name of the directive that links the link (or core) specification itself, and which of them it links.

    A name of one's own has to be that of a directive the document defines.
    """
    plain = False
    for node in applied:
        values = {a.name.value: a.value for a in node.arguments or ()}
        url = values.get("url", values.get("feature"))
        if not isinstance(url, StringValueNode):
            plain = plain or node.name.value == "link"
            continue
        plain = plain or node.name.value == "link"
        parsed = FeatureUrl.parse(url.value)
        if parsed is not None and parsed.identity in (LINK, CORE):
            alias = values.get("as")
            default = "link" if parsed.identity == LINK else "core"
            name = alias.value if isinstance(alias, StringValueNode) else default
            imported = values.get("import")
            if isinstance(imported, ListValueNode):
                for item in imported.values:
                    entry = _import_names(item)
                    if entry is not None and entry[0] == f"@{default}":
                        name = (entry[1] or entry[0])[1:]
            if node.name.value == name and (name in ("link", "core") or name in defined):
                return name, parsed.identity
    return ("link" if plain else None), None


def _read_link(node: ConstDirectiveNode, faults: list[LinkFault]) -> Link | None:
    def fault(message: str, at: Node = node, code: str = "INVALID_LINK_DIRECTIVE_USAGE") -> None:
        faults.append(LinkFault(code, message, at))

    values = {a.name.value: a.value for a in node.arguments or () if not isinstance(a.value, NullValueNode)}
    url_node = values.get("url", values.get("feature"))
    if not isinstance(url_node, StringValueNode):
        fault('A @link needs a string as "url".')
        return None
    url = FeatureUrl.parse(url_node.value)
    if url is None:
        fault(
            f'"{url_node.value}" is not the URL of a specification (expected https://host/name/v1.0).',
            url_node,
            "INVALID_LINK_IDENTIFIER",
        )
        return None
    path = urlsplit(url_node.value).path
    if url.version is None or path.endswith("/") or path.count("/") < 2:
        fault(
            f'"{url_node.value}" doesn\'t end in a name and a version (expected /name/v1.0).',
            url_node,
            "INVALID_LINK_IDENTIFIER",
        )
        return None
    alias = values.get("as")
    if url.name is None and alias is None:
        fault(f'"{url_node.value}" has no name that GraphQL allows: give one with `as`.', url_node)
    prefix = alias.value if isinstance(alias, StringValueNode) else url.name
    if prefix is not None and not _is_namespace(prefix, url):
        message = (
            f'"{prefix}" can\'t be a namespace: it has to be a GraphQL name without "__" that doesn\'t end in "_".'
        )
        fault(message if alias is not None else f"{message} Give one with `as`.", alias or url_node)
    purpose = values.get("for")
    imports: list[Import] = []
    imported = values.get("import")
    if imported is not None:
        entries = imported.values if isinstance(imported, ListValueNode) else (imported,)
        for entry in entries:
            read = _read_import(entry, fault)
            if read is not None:
                imports.append(read)
    return Link(
        url=url,
        prefix=prefix,
        imports=tuple(imports),
        purpose=purpose.value if isinstance(purpose, EnumValueNode) else None,
        node=node,
        named=isinstance(alias, StringValueNode),
    )


def _is_namespace(prefix: str, url: FeatureUrl) -> bool:
    if prefix in ("federation__tag", "federation__inaccessible") and url.identity in (TAG, INACCESSIBLE):
        return True  # as composers once printed them
    return _NAMESPACE.fullmatch(prefix) is not None and "__" not in prefix and not prefix.endswith("_")


def _import_names(item: ConstValueNode) -> tuple[str, str | None] | None:
    if isinstance(item, StringValueNode):
        return item.value, None
    if isinstance(item, ObjectValueNode):
        values = {f.name.value: f.value for f in item.fields}
        name, alias = values.get("name"), values.get("as")
        if isinstance(name, StringValueNode):
            return name.value, alias.value if isinstance(alias, StringValueNode) else None
    return None


def _read_import(item: ConstValueNode, fault: Callable[[str, Node], None]) -> Import | None:
    if isinstance(item, ObjectValueNode):
        for entry in item.fields:
            if entry.name.value not in ("name", "as"):
                fault(f'An import has no "{entry.name.value}", only "name" and "as".', entry)
                return None
            if not isinstance(entry.value, StringValueNode):
                fault(f'"{entry.name.value}" of an import has to be a string.', entry)
                return None
    names = _import_names(item)
    if names is None:
        fault('An import is a string, or an object with a "name".', item)
        return None
    name, alias = names
    if alias is not None and name.startswith("@") != alias.startswith("@"):
        kind = "directive" if name.startswith("@") else "type"
        negation = "" if kind == "directive" else "not "
        fault(f'"{name}" is a {kind}, so its alias "{alias}" has to {negation}begin with "@".', item)
        return None
    if alias is not None and not _NAME.fullmatch(alias.removeprefix("@")):
        fault(f'"{alias}" is not a name.', item)
        return None
    return Import(name, alias or name)
