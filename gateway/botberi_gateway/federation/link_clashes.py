"""The `@link`s of one schema -> names that two of them give, or that can be taken for another one's."""

from collections.abc import Iterable, Iterator, Sequence

from botberi_gateway.federation.directives import directives_of
from botberi_gateway.federation.link_model import Import, Link, LinkFault
from botberi_gateway.federation.versions import FEDERATION, UPGRADED, FeatureUrl

_CODE = "INVALID_LINK_DIRECTIVE_USAGE"


def clashes(links: Sequence[Link], *, upgraded: bool) -> Iterator[LinkFault]:
    """`upgraded`: the schema is of federation 1, so that it gets a link to federation 2 with all its directives."""
    names = _Names()
    for link in links:
        yield from (LinkFault(_CODE, message, link.node) for message, _ in names.add(link))
    if upgraded and links:
        imports = tuple(Import(f"@{name}", f"@{name}") for name in directives_of(UPGRADED))
        federation = Link(FeatureUrl(FEDERATION, "federation", UPGRADED), "federation", imports, None, links[0].node)
        yield from (LinkFault(_CODE, message, other.node) for message, other in names.add(federation))


class _Names:
    """The names that the links so far give."""

    def __init__(self) -> None:
        self.identities: set[str] = set()
        self.namespaces: dict[str, Link] = {}
        #: Local name (a directive's with `@`) -> the link that imports it, and what it imports.
        self.imports: dict[str, tuple[Link, str]] = {}
        #: Namespace -> the link that imports something under a name that looks like one in this namespace.
        self.look_alikes: dict[str, Link] = {}

    def add(self, link: Link) -> Iterator[tuple[str, Link]]:
        """The clashes with the links so far: a message and the other link."""
        if link.url.identity in self.identities:
            yield f'"{link.url.identity}" is linked twice.', link
            return
        self.identities.add(link.url.identity)
        if link.prefix is not None:
            yield from self._namespace(link, link.prefix)
        for item in link.imports:
            yield from self._import(link, item)
        if link.prefix is not None:
            self.namespaces.setdefault(link.prefix, link)

    def _namespace(self, link: Link, prefix: str) -> Iterator[tuple[str, Link]]:
        other = self.namespaces.get(prefix)
        if other is not None:
            yield f'"{link.url}" and "{other.url}" both use the namespace "{prefix}"; name one with `as`.', other
        imported = self.imports.get(f"@{prefix}")
        other = imported[0] if imported is not None else self.look_alikes.get(prefix)
        if other is not None:
            yield (
                f'The namespace "{prefix}" of "{link.url}" can be taken for what is imported from "{other.url}"; '
                "rename one with `as`.",
                other,
            )

    def _import(self, link: Link, item: Import) -> Iterator[tuple[str, Link]]:
        previous = self.imports.get(item.alias)
        if previous is None:
            self.imports[item.alias] = (link, item.name)
        elif previous[0] is not link:
            other = previous[0]
            yield f'"{item.alias}" is imported from both "{other.url}" and "{link.url}"; rename one with `as`.', other
        elif previous[1] != item.name:
            yield f'"{previous[1]}" and "{item.name}" are both imported as "{item.alias}"; rename one with `as`.', link
        if any(i.name == item.name and i.alias != item.alias for i in _before(link.imports, item)):
            yield f'"{item.name}" is imported under two names; remove one of them.', link
        if (namesake := self._taken_for(link, item)) is not None:
            yield (
                f'The import "{item.alias}" of "{link.url}" can be taken for a name in the namespace of '
                f'"{namesake.url}"; rename one with `as`.',
                namesake,
            )

    def _taken_for(self, link: Link, item: Import) -> Link | None:
        """The link in whose namespace the import's local name seems to be, though it isn't what this stands for."""
        is_directive = item.alias.startswith("@")
        local, name = item.alias.removeprefix("@"), item.name.removeprefix("@")
        namespace, separator, rest = local.partition("__")
        if separator and namespace and rest:
            if namespace == link.prefix:
                return link if rest != name else None
            if namespace in self.namespaces:
                return self.namespaces[namespace]
            self.look_alikes.setdefault(namespace, link)
        if is_directive and local == link.prefix:
            return link if name != link.url.name else None
        return self.namespaces.get(local) if is_directive else None


def _before(imports: Iterable[Import], item: Import) -> Iterator[Import]:
    for other in imports:
        if other is item:
            return
        yield other
