"""A seed -> subgraphs that (mostly) compose: one graph, cut at random over 2 to 6 of them with directives."""

import random

from lab.bench.composition.sdl import Field, Service, Type

SCALARS = ("String", "Int", "Boolean", "Float", "ID")
KEYS = (
    ("id", {"id": "ID!"}),
    ("sku", {"sku": "String!"}),
    ("code org", {"code": "Int!", "org": "String!"}),
    ("place { zone slot }", {"place": "Place!"}),
)
VERSIONS = ((2, 0), (2, 1), (2, 3), (2, 3), (2, 5), (2, 6), (2, 8), (2, 9))


class Generator:
    """One set; every choice comes from the seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.services: list[Service] = []

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def services_of(self, least: int = 1) -> list[Service]:
        """Some of them, at least so many."""
        return self.random.sample(self.services, self.random.randint(least, max(least, len(self.services))))

    def subgraphs(self) -> list[Service]:
        """The set."""
        version = self.random.choice(VERSIONS)
        for i in range(self.random.randint(2, 6)):
            mixed = self.random.choice(VERSIONS) if self.chance(0.3) else version
            self.services.append(Service(f"s{i}", None if self.chance(0.06) else mixed))
        names = [f"E{i}" for i in range(self.random.randint(1, 5))]
        members = {name: self._entity(name) for name in names}
        self._enum()
        if self.chance(0.6):
            self._values()
        if self.chance(0.5):
            self._inputs()
        if self.chance(0.4):
            self._interface()
        if self.chance(0.35):
            self._union(names, members)
        if self.chance(0.3):
            self._interface_object()
        if self.chance(0.2):
            self._custom_directive()
        self._relations(names, members)
        self._roots(names, members)
        self._requires(names, members)
        self._provides(names, members)
        self._overrides(members)
        self._decorations()
        return self.services

    def _entity(self, name: str) -> list[Service]:
        members = self.services_of()
        keys = [KEYS[0], *self.random.sample(KEYS[1:], self.random.randint(0, 2))]
        for i, service in enumerate(members):
            mine = [keys[0]] if self.chance(0.96) or len(keys) == 1 else [keys[1]]
            if self.chance(0.3):
                mine = list({k[0]: k for k in [*mine, self.random.choice(keys)]}.values())
            made = service.type("type", name)
            for text, fields in mine:
                resolvable = "" if i == 0 or self.chance(0.97) else ", resolvable: false"
                if service.version is None:
                    resolvable = ""
                made.directives.append(f'@key(fields: "{text}"{resolvable})')
                for field, type_ in fields.items():
                    made.fields[field] = Field(field, type_)
                if "place" in fields:
                    place = service.type("type", "Place")
                    place.fields = {"zone": Field("zone", "Int!"), "slot": Field("slot", "Int!")}
                    self._shareable(service, place)
            for j in range(self.random.randint(0, 3)):
                made.fields[f"own{i}_{j}"] = self._field(f"own{i}_{j}")
        for j in range(self.random.randint(0, 2)):
            shared = self._field(f"common{j}")
            for service in self.random.sample(members, self.random.randint(1, len(members))):
                own = Field(shared.name, shared.type, dict(shared.arguments))
                if service.version is not None:
                    own.directives.append("@shareable")
                if self.chance(0.15) and not own.type.endswith("!"):
                    own.type += "!"
                service.types[name].fields[own.name] = own
        return members

    def _field(self, name: str) -> Field:
        type_ = self.random.choice(SCALARS)
        type_ = self.random.choice((type_, type_, type_ + "!", f"[{type_}]", f"[{type_}!]!"))
        made = Field(name, type_)
        if self.chance(0.2):
            required = self.chance(0.3)
            made.arguments["arg"] = Field(
                "arg", "Int!" if required else "Int", default="3" if self.chance(0.4) else None
            )
        return made

    def _shareable(self, service: Service, type_: Type) -> None:
        if service.version is not None and not type_.has("@shareable"):
            type_.directives.append("@shareable")

    def _enum(self) -> None:
        values = [f"V{i}" for i in range(self.random.randint(1, 4))]
        use = self.random.choice(("in", "out", "both"))
        for service in self.services_of():
            enum = service.type("enum", "Mode")
            some = values if use == "both" or self.chance(0.6) else values[: self.random.randint(1, len(values))]
            enum.values = {v: [] for v in some}
            query = service.type("type", "Query")
            if use != "in":
                query.fields[f"mode_{service.name}"] = Field(f"mode_{service.name}", "Mode")
            if use != "out":
                name = f"byMode_{service.name}"
                query.fields[name] = Field(name, "Int", {"mode": Field("mode", "Mode")})

    def _values(self) -> None:
        """A value type: the same fields everywhere, or fields that some lack."""
        fields = [self._field(f"v{i}") for i in range(self.random.randint(1, 4))]
        for field in fields:
            field.arguments = {}
        for service in self.services_of():
            made = service.type("type", "Value")
            self._shareable(service, made)
            some = fields if self.chance(0.85) else fields[: self.random.randint(1, len(fields))]
            made.fields = {f.name: Field(f.name, f.type) for f in some}
            query = service.type("type", "Query")
            if self.chance(0.7):
                query.fields[f"value_{service.name}"] = Field(f"value_{service.name}", "Value")

    def _inputs(self) -> None:
        fields = [Field(f"i{i}", self.random.choice(SCALARS)) for i in range(self.random.randint(1, 4))]
        for service in self.services_of():
            made = service.type("input", "Filter")
            some = fields if self.chance(0.7) else fields[: self.random.randint(1, len(fields))]
            made.fields = {f.name: Field(f.name, f.type) for f in some}
            if self.chance(0.2):
                first = made.fields["i0"]
                first.type += "!"
                first.default = {"String": '"x"', "Int": "1", "Boolean": "true", "Float": "1.5", "ID": '"1"'}[
                    first.base
                ]
            name = f"find_{service.name}"
            service.type("type", "Query").fields[name] = Field(name, "Int", {"by": Field("by", "Filter")})

    def _interface(self) -> None:
        shared = self._field("title")
        shared.arguments = {}
        for service in self.services_of():
            interface = service.type("interface", "Named")
            interface.fields = {"title": Field("title", shared.type)}
            for name in self.random.sample(("N0", "N1", "N2"), self.random.randint(1, 3)):
                made = service.type("type", name)
                made.interfaces = ["Named"]
                made.fields["title"] = Field("title", shared.type)
                self._shareable(service, made)
                if self.chance(0.03):
                    made.fields["extra"] = Field("extra", "Int")
            field = f"named_{service.name}"
            service.type("type", "Query").fields[field] = Field(field, self.random.choice(("Named", "[Named!]")))

    def _union(self, names: list[str], members: dict[str, list[Service]]) -> None:
        for service in self.services_of():
            mine = [n for n in names if service in members[n]]
            if mine:
                union = service.type("union", "Any0")
                union.members = self.random.sample(mine, self.random.randint(1, len(mine)))
                field = f"any_{service.name}"
                service.type("type", "Query").fields[field] = Field(field, self.random.choice(("Any0", "[Any0]")))

    def _interface_object(self) -> None:
        able = [s for s in self.services if s.version is not None and s.version >= (2, 3)]
        if len(able) < 2:
            return
        owner, *others = self.random.sample(able, self.random.randint(2, len(able)))
        interface = owner.type("interface", "Media")
        interface.directives = ['@key(fields: "id")']
        interface.fields = {"id": Field("id", "ID!"), "size": Field("size", "Int")}
        for name in ("Book", "Film")[: self.random.randint(1, 2)]:
            made = owner.type("type", name)
            made.interfaces, made.directives = ["Media"], ['@key(fields: "id")']
            made.fields = {"id": Field("id", "ID!"), "size": Field("size", "Int")}
        owner.type("type", "Query").fields["media"] = Field("media", "[Media]")
        for i, service in enumerate(others):
            made = service.type("type", "Media")
            made.directives = ['@key(fields: "id")', "@interfaceObject"]
            made.fields = {"id": Field("id", "ID!"), f"extra{i}": self._field(f"extra{i}")}
            if self.chance(0.3):
                field = f"media_{service.name}"
                service.type("type", "Query").fields[field] = Field(field, "Media")

    def _custom_directive(self) -> None:
        for service in self.services_of():
            if service.version is None or service.version < (2, 1):
                continue
            service.head.append(
                'extend schema @link(url: "https://custom.example/mark/v1.0", import: ["@mark"]) '
                '@composeDirective(name: "@mark")\n\n'
                "directive @mark(level: Int) repeatable on OBJECT | FIELD_DEFINITION"
            )
            for type_ in service.objects():
                if type_.name != "Query" and self.chance(0.4):
                    type_.directives.append(f"@mark(level: {self.random.randint(1, 2)})")

    def _relations(self, names: list[str], members: dict[str, list[Service]]) -> None:
        for name in names:
            for service in members[name]:
                near = [n for n in names if service in members[n]]
                if self.chance(0.6):
                    field = f"to_{service.name}"
                    target = self.random.choice(near)
                    type_ = self.random.choice((target, f"[{target}]", f"[{target}!]!"))
                    service.types[name].fields[field] = Field(field, type_)

    def _roots(self, names: list[str], members: dict[str, list[Service]]) -> None:
        for name in names:
            service = self.random.choice(members[name])
            field = Field(name.lower(), name, {"id": Field("id", "ID!")} if self.chance(0.6) else {})
            service.type("type", "Query").fields[field.name] = field
        for service in self.services:
            if self.chance(0.25):
                field = Field(f"set_{service.name}", "Int", {"to": Field("to", "Int")})
                service.type("type", "Mutation").fields[field.name] = field
            if self.chance(0.1):
                service.type("type", "Subscription").fields[f"on_{service.name}"] = Field(f"on_{service.name}", "Int")
            if not service.types:
                service.type("type", "Query").fields[f"ping_{service.name}"] = Field(f"ping_{service.name}", "String")

    def _requires(self, names: list[str], members: dict[str, list[Service]]) -> None:
        for name in names:
            if len(members[name]) < 2 or not self.chance(0.5):
                continue
            source, target = self.random.sample(members[name], 2)
            plain = [f for f in source.types[name].fields.values() if f.name.startswith("own") and not f.arguments]
            if plain:
                needed = self.random.choice(plain)
                mine = target.types[name].fields
                mine[needed.name] = Field(needed.name, needed.type, directives=["@external"])
                mine["derived"] = Field("derived", "Int", directives=[f'@requires(fields: "{needed.name}")'])
                if target.version is None:
                    target.types[name].extend = True

    def _provides(self, names: list[str], members: dict[str, list[Service]]) -> None:
        for name in names:
            if len(members[name]) < 2 or not self.chance(0.35):
                continue
            source, target = self.random.sample(members[name], 2)
            plain = [f for f in source.types[name].fields.values() if f.name.startswith("own") and not f.arguments]
            if plain and target.version is not None and source.version is not None:
                given = self.random.choice(plain)
                given.directives = [*given.directives, *([] if given.has("@shareable") else ["@shareable"])]
                mine = target.types[name].fields
                mine[given.name] = Field(given.name, given.type, directives=["@external"])
                field = Field(f"given_{name}", name, directives=[f'@provides(fields: "{given.name}")'])
                target.type("type", "Query").fields[field.name] = field

    def _overrides(self, members: dict[str, list[Service]]) -> None:
        for name, those in members.items():
            if len(those) < 2 or not self.chance(0.3):
                continue
            source, target = self.random.sample(those, 2)
            plain = [
                f for f in source.types[name].fields.values() if f.name.startswith("own") and not f.has("@shareable")
            ]
            if plain and target.version is not None:
                moved = self.random.choice(plain)
                if moved.name in target.types[name].fields:
                    continue
                label = ', label: "percent(30)"' if target.version >= (2, 7) and self.chance(0.4) else ""
                target.types[name].fields[moved.name] = Field(
                    moved.name, moved.type, dict(moved.arguments), [f'@override(from: "{source.name}"{label})']
                )

    def _decorations(self) -> None:
        for service in self.services:
            if service.version is None:
                continue
            for type_ in service.objects():
                for field in type_.fields.values():
                    if field.has("@external"):
                        continue
                    if self.chance(0.04):
                        field.directives.append(f'@tag(name: "{self.random.choice(("a", "b"))}")')
                    if self.chance(0.03):
                        field.directives.append('@deprecated(reason: "old")')
                    if self.chance(0.02) and field.name.startswith(("own", "common")):
                        field.directives.append("@inaccessible")
                    if self.chance(0.03) and service.version >= (2, 5):
                        field.directives.append(
                            self.random.choice(("@authenticated", '@requiresScopes(scopes: [["a"], ["b"]])'))
                        )
                    if self.chance(0.03) and service.version >= (2, 9):
                        field.directives.append("@cost(weight: 5)")


def generate(seed: int) -> list[Service]:
    """The same seed, the same set."""
    return Generator(seed).subgraphs()
