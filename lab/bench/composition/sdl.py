"""Subgraphs as plain data that can be cut and broken -> SDL."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from botberi_gateway.composition import Subgraph

FEDERATION_IMPORTS = {
    (2, 0): ("@key", "@shareable", "@external", "@requires", "@provides", "@override", "@inaccessible", "@tag"),
    (2, 1): ("@composeDirective",),
    (2, 3): ("@interfaceObject",),
    (2, 5): ("@authenticated", "@requiresScopes"),
    (2, 6): ("@policy",),
    (2, 8): ("@context", "@fromContext"),
    (2, 9): ("@cost", "@listSize"),
}


@dataclass
class Field:
    """A field, argument or input field; `directives` are written as in SDL."""

    name: str
    type: str
    arguments: dict[str, "Field"] = field(default_factory=dict)
    directives: list[str] = field(default_factory=list)
    default: str | None = None

    def has(self, directive: str) -> bool:
        return any(d == directive or d.startswith(directive + "(") for d in self.directives)

    def drop(self, directive: str) -> None:
        self.directives = [d for d in self.directives if not (d == directive or d.startswith(directive + "("))]

    def sdl(self) -> str:
        arguments = f"({', '.join(a.sdl() for a in self.arguments.values())})" if self.arguments else ""
        default = f" = {self.default}" if self.default is not None else ""
        return " ".join([f"{self.name}{arguments}: {self.type}{default}", *self.directives])

    @property
    def base(self) -> str:
        return self.type.strip("[]!")


@dataclass
class Type:
    """A type of any kind; `members` are a union's, `values` an enum's (name -> directives)."""

    keyword: str
    name: str
    fields: dict[str, Field] = field(default_factory=dict)
    directives: list[str] = field(default_factory=list)
    interfaces: list[str] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=dict)
    extend: bool = False

    def has(self, directive: str) -> bool:
        return any(d == directive or d.startswith(directive + "(") for d in self.directives)

    @property
    def keys(self) -> list[str]:
        return [d for d in self.directives if d.startswith("@key(")]

    def sdl(self) -> str:
        head = f"{'extend ' if self.extend else ''}{self.keyword} {self.name}"
        if self.interfaces:
            head += " implements " + " & ".join(self.interfaces)
        head = " ".join([head, *self.directives])
        if self.keyword == "union":
            return f"{head} = {' | '.join(self.members)}"
        if self.keyword == "enum":
            body = [" ".join([name, *directives]) for name, directives in self.values.items()]
        else:
            body = [f.sdl() for f in self.fields.values()]
        return head + (" {\n" + "".join(f"  {line}\n" for line in body) + "}" if body else "")


@dataclass
class Service:
    """A subgraph. `version` is None for federation 1; `suffix` is text that no structure holds."""

    name: str
    version: tuple[int, int] | None = (2, 3)
    types: dict[str, Type] = field(default_factory=dict)
    head: list[str] = field(default_factory=list)
    imports: list[str] = field(default_factory=list)
    suffix: str = ""

    def type(self, keyword: str, name: str) -> Type:
        return self.types.setdefault(name, Type(keyword, name))

    def objects(self) -> Iterator[Type]:
        return (t for t in self.types.values() if t.keyword == "type")

    def composites(self) -> Iterator[Type]:
        return (t for t in self.types.values() if t.keyword in ("type", "interface"))

    def sdl(self) -> str:
        parts = list(self.head)
        if self.version is not None:
            names = [n for since, group in FEDERATION_IMPORTS.items() if since <= self.version for n in group]
            listed = ", ".join(f'"{n}"' for n in [*names, *self.imports])
            url = f"https://specs.apollo.dev/federation/v{self.version[0]}.{self.version[1]}"
            parts.insert(0, f'extend schema @link(url: "{url}", import: [{listed}])')
        parts += [t.sdl() for t in self.types.values()]
        return "\n\n".join(parts) + "\n" + self.suffix

    def subgraph(self) -> Subgraph:
        return Subgraph(self.name, self.sdl(), f"http://{self.name}.example/graphql")
