"""A schema's `@link`s as data: what each links, under which namespace, and what it imports under which name."""

from dataclasses import dataclass, field

from graphql import ConstDirectiveNode, Node

from botberi_gateway.federation.versions import FEDERATION, FeatureUrl


@dataclass(frozen=True, slots=True)
class LinkFault:
    """A fault of a `@link`: error code, sentence, place."""

    code: str
    message: str
    node: Node


@dataclass(frozen=True, slots=True)
class Import:
    """One imported element; directives are named with `@` in both."""

    name: str
    alias: str


@dataclass(frozen=True, slots=True)
class Link:
    """One `@link`; `prefix` is the namespace of what isn't imported."""

    url: FeatureUrl
    prefix: str | None
    imports: tuple[Import, ...]
    purpose: str | None
    node: ConstDirectiveNode = field(compare=False)
    named: bool = False

    def directive_name(self, name: str) -> str:
        """The local name of the feature's directive `name` (without `@`)."""
        for item in self.imports:
            if item.name == f"@{name}":
                return item.alias[1:]
        if name == self.url.name and self.url.identity != FEDERATION:
            return self.prefix or name
        return f"{self.prefix}__{name}" if self.prefix else name

    def type_name(self, name: str) -> str:
        """The local name of the feature's type `name`."""
        for item in self.imports:
            if item.name == name:
                return item.alias
        return f"{self.prefix}__{name}" if self.prefix else name


@dataclass(frozen=True, slots=True)
class Links:
    """All links of a schema; `link_name` is what `@link` itself is called there."""

    links: tuple[Link, ...]
    link_name: str | None
    faults: tuple[LinkFault, ...]

    def of(self, identity: str) -> Link | None:
        return next((link for link in self.links if link.url.identity == identity), None)

    def source_of(self, directive: str) -> tuple[Link, str] | None:
        """The link that a local directive name comes from, and the directive's name in its specification."""
        for link in self.links:
            for item in link.imports:
                if item.alias == f"@{directive}":
                    return link, item.name[1:]
        prefix, separator, rest = directive.partition("__")
        for link in self.links:
            if separator and rest and link.prefix == prefix:
                return link, rest
            if link.prefix == directive:
                return link, link.url.name or directive
        return None
