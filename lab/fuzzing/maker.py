"""A graph in the making: its random choices, its types so far, and the texts of the monolith and the subgraphs."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from lab.fuzzing.text import Block, Kind, SubgraphText

NAMES = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
#: Few names for many fields: types share them, so response keys of unlike types meet under abstract selections.
FIELD_NAMES = ("name", "size", "title", "score", "flag", "color", "note", "owner", "items", "related", "best", "tree")
LEAVES = ("Int", "Float", "String", "Boolean", "ID", "Color", "Level", "Big", "Json")
KEYS: dict[str, tuple[tuple[str, str], ...]] = {
    "id": (("id", "ID!"),),
    "sku": (("sku", "String!"),),
    "tenant region": (("tenant", "Int!"), ("region", "String!")),
    "ref { code }": (("ref", "Ref!"),),
    "spot { row col }": (("spot", "Spot!"),),
    "region spot { row }": (("region", "String!"), ("spot", "Spot!")),
    "parts { code }": (("parts", "[Part!]!"),),
    "serial": (("serial", "Big!"),),
}
SHAPES = (*("{}",) * 6, *("{}!",) * 3, "[{}]", "[{}!]", "[{}!]!", "[{}]!", "[[{}]]", "[[{}!]!]!", "[[{}!]]!")
ARGUMENTS = (
    "by: Int = 2",
    "by: Int",
    'unit: String! = "m"',
    "level: Level = LOW",
    "filter: Filter",
    "filter: Filter! = {limit: 3}",
    "ids: [ID!]",
    "grid: [[Int!]]",
    "big: Big",
    "rate: Float = 1",
    "rate: Float = 100",
    'filter: Filter = {limit: 3, text: "t", inner: {ids: ["a"], deep: true}}',
    'ids: [ID!] = ["5"]',
    "tag: ID = 5",
)
SHARED_TYPES = {
    "Ref": {"code": "ID!"},
    "Spot": {"row": "Int!", "col": "Int!"},
    "Part": {"code": "ID!"},
}
COLORS = ("RED", "GREEN", "BLUE", "PINK")
INPUTS = """
enum Level { LOW MID HIGH }
input Filter {
  limit: Int = 5
  text: String
  level: Level = MID
  tags: [String!]
  inner: Inner
  rate: Float = 0.5
  point: Point = {x: 1, y: 2}
}
input Inner { deep: Boolean! = true ids: [ID!] = ["a"] other: Filter }
input Point { x: Int = 0 y: Int z: Point }
"""


@dataclass
class Entity:
    name: str
    keys: list[str]
    hosts: list[str]
    keys_at: dict[str, list[str]] = field(default_factory=dict)
    #: name -> (arguments, type, subgraphs that resolve it); common key fields aren't in it.
    fields: dict[str, tuple[str, str, list[str]]] = field(default_factory=dict)
    #: No subgraph but the hosts may know the type (it implements an interface that is an interface object there).
    barred: set[str] = field(default_factory=set)
    #: Fields that no `@provides` brings along.
    unprovided: set[str] = field(default_factory=set)


@dataclass
class EntityInterface:
    """An interface with a key: `home` has all its types, `objects` have it as an interface object."""

    name: str
    home: str
    objects: list[str]
    members: list[str]


class Maker:
    """One graph being made, with what each kind of `lab.fuzzing.kinds` adds to it. Every choice comes from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        #: For the kinds of `lab.fuzzing.kinds`.
        self.kinds = random.Random(f"{seed} kinds")
        count = self.random.choice((2, 2, 3, 3, 4, 5, 6))
        self.graphs = {name: SubgraphText(name) for name in NAMES[:count]}
        self.names = list(self.graphs)
        self.whole = SubgraphText("monolith")
        self.entities: dict[str, Entity] = {}
        self.values: dict[str, dict[str, str]] = {}
        self.interfaces: dict[str, list[str]] = {}
        self.common: dict[str, dict[str, tuple[str, str]]] = {}
        self.unions: dict[str, list[str]] = {}
        self.colors: dict[str, tuple[str, ...]] = dict.fromkeys(self.names, COLORS)
        #: Fields of interfaces that a subgraph declares, though its types have them as external ones.
        self.loose: set[tuple[str, str, str]] = set()
        self.entity_interfaces: dict[str, EntityInterface] = {}

    def chance(self, odds: float) -> bool:
        """True so often."""
        return self.random.random() < odds

    # -- types

    def _kinds(self) -> None:
        for index in range(self.random.randint(2, 5)):
            keys = ["id", *self.random.sample([k for k in KEYS if k != "id"], self.random.choice((0, 0, 1, 1, 2)))]
            hosts = self.random.sample(self.names, self.random.randint(min(2, len(self.names)), len(self.names)))
            self.entities[f"E{index}"] = Entity(f"E{index}", keys, hosts)
        for index in range(self.random.randint(1, 3)):
            fields = {
                name: self.shape(self.random.choice(LEAVES))
                for name in self.random.sample(FIELD_NAMES, self.random.randint(1, 4))
            }
            self.values[f"V{index}"] = fields
        if self.chance(0.5):
            first = next(iter(self.values))
            self.values[first]["owner"] = self.random.choice(list(self.entities))
        members = [*self.entities, *self.values]
        for index in range(self.random.choice((0, 1, 1, 2))):
            self.unions[f"U{index}"] = self.random.sample(members, self.random.randint(2, min(4, len(members))))
        for index in range(self.random.choice((0, 1, 1, 2))):
            chosen = self.random.sample(list(self.entities), self.random.randint(1, min(3, len(self.entities))))
            self.interfaces[f"I{index}"] = chosen
        if self.chance(0.3):
            common = self.random.choice(COLORS)  # a field that all of them resolve has to have some value
            for name in self.names:
                others = [c for c in COLORS if c != common]
                self.colors[name] = (common, *self.random.sample(others, self.random.randint(1, 3)))
            left = self.random.choice(self.names)
            self.colors[left] = COLORS

    def shape(self, inner: str) -> str:
        """The type with lists and `!` around it."""
        return self.random.choice(SHAPES).format(inner)

    def _host(self, entity: Entity) -> None:
        owner, *others = entity.hosts
        entity.keys_at[owner] = list(entity.keys)
        for name in others:
            entity.keys_at[name] = self.random.sample(entity.keys, self.random.randint(1, len(entity.keys)))
        whole = self.whole.block(Kind.TYPE, entity.name)
        for key in entity.keys:
            self.add_key_fields(self.whole, whole, key)
        for name, keys in entity.keys_at.items():
            block = self.graphs[name].block(Kind.TYPE, entity.name)
            for key in keys:
                resolvable = (
                    ""
                    if key != keys[-1] or len(keys) == 1 or name == owner or self.chance(0.7)
                    else ", resolvable: false"
                )
                block.directives.append(f'@key(fields: "{key}"{resolvable})')
                self.add_key_fields(self.graphs[name], block, key)

    def add_key_fields(self, graph: SubgraphText, block: Block, key: str) -> None:
        """The fields of a key, with the types below them."""
        for name, type_ in KEYS[key]:
            below = type_.strip("[]!")
            if below in SHARED_TYPES:
                self.declare_shared(graph, below)
            block.add(name, "", type_)

    def declare_shared(self, graph: SubgraphText, name: str) -> None:
        block = graph.block(Kind.TYPE, name)
        if not block.directives and graph is not self.whole:
            block.directives.append("@shareable")
        for field_name, type_ in SHARED_TYPES[name].items():
            block.add(field_name, "", type_)

    def can_return(self, graph: str, type_name: str) -> bool:
        """Can this subgraph have a field of this type?"""
        if type_name in self.entities:
            return graph not in self.entities[type_name].barred
        if type_name in self.unions:
            return any(self.can_return(graph, m) for m in self.unions[type_name])
        if type_name in self.interfaces:
            return any(graph in self.entities[m].hosts for m in self.interfaces[type_name])
        if type_name in self.values:
            below = self.values[type_name].get("owner")
            return below not in self.entities or self.can_return(graph, below)
        if type_name in self.entity_interfaces:
            interface = self.entity_interfaces[type_name]
            return graph == interface.home or graph in interface.objects
        return True

    def know(self, name: str, type_name: str) -> None:
        """Let the subgraph declare the type, as far as it is not its own."""
        graph = self.graphs[name]
        if type_name in self.entities:
            entity = self.entities[type_name]
            if name not in entity.hosts and type_name not in graph.blocks:
                key = self.random.choice(entity.keys)
                block = graph.block(Kind.TYPE, type_name)
                block.directives.append(f'@key(fields: "{key}", resolvable: false)')
                self.add_key_fields(graph, block, key)
        elif type_name in self.values and type_name not in graph.blocks:
            block = graph.block(Kind.TYPE, type_name)
            block.directives.append("@shareable")
            for field_name, type_ in self.values[type_name].items():
                block.add(field_name, "", type_)
                self.know(name, type_.strip("[]!"))
            whole = self.whole.block(Kind.TYPE, type_name)
            for field_name, type_ in self.values[type_name].items():
                whole.add(field_name, "", type_)
        elif type_name in self.unions and type_name not in graph.unions:
            members = [m for m in self.unions[type_name] if self.can_return(name, m)]
            partial = members if self.chance(0.5) else self.random.sample(members, self.random.randint(1, len(members)))
            graph.unions[type_name] = sorted(set(partial))
            self.whole.unions[type_name] = sorted({*self.whole.unions.get(type_name, ()), *partial})
            for member in partial:
                self.know(name, member)
        elif type_name in self.interfaces or type_name in self.entity_interfaces:
            graph.wanted.add(type_name)

    # -- fields

    def target(self, graphs: Sequence[str]) -> str:
        """A named type that all of these subgraphs can return."""
        if self.chance(0.5):
            return self.random.choice(LEAVES)
        choices = [*self.entities, *self.entities, *self.values, *self.interfaces, *self.unions]
        choices += [*self.entity_interfaces, *self.entity_interfaces]
        fitting = [t for t in choices if all(self.can_return(g, t) for g in graphs)]
        return self.random.choice(fitting or ["Int"])

    def leaf(self) -> str:
        """A scalar or enum."""
        return self.random.choice(LEAVES)

    def arguments(self) -> str:
        """Arguments of a field, mostly none."""
        if not self.chance(0.25):
            return ""
        chosen: dict[str, str] = {}
        for text in self.random.sample(ARGUMENTS, self.random.choice((1, 1, 2))):
            chosen[text.split(":")[0]] = text
        return f"({', '.join(chosen.values())})"

    def _place(self, entity: Entity, name: str, given: tuple[str, str] | None = None) -> None:
        roll = self.random.random()
        hosts = [self.random.choice(entity.hosts)]
        if roll < 0.18 and len(entity.hosts) > 1:
            hosts = self.random.sample(entity.hosts, self.random.randint(2, len(entity.hosts)))
        arguments, type_ = given or (self.arguments(), self.shape(self.target(entity.hosts)))
        inner = type_.strip("[]!")
        for host in hosts:
            self.know(host, inner)
        directives = ["@shareable"] if len(hosts) > 1 else []
        others = [h for h in entity.hosts if h not in hosts]
        if len(hosts) == 1 and others and 0.18 <= roll < 0.3:
            old = self.random.choice(others)
            self.know(old, inner)
            label = self.random.choice(("", "", ', label: "percent(100)"', ', label: "percent(0)"'))
            directives.append(f'@override(from: "{old}"{label})')
            self.graphs[old].block(Kind.TYPE, entity.name).add(name, arguments, type_)
        merged = type_
        for index, host in enumerate(hosts):
            own = type_
            if index and given is None and inner in LEAVES and type_.endswith("!") and self.chance(0.4):
                own = merged = type_[:-1]
            self.graphs[host].block(Kind.TYPE, entity.name).add(name, arguments, own, *directives)
        self.whole.block(Kind.TYPE, entity.name).add(name, arguments, merged)
        entity.fields[name] = (arguments, merged, hosts if not directives or "@shareable" in directives else [])

    def _common_fields(self) -> None:
        """Fields of an interface: each implementing entity has them, wherever."""
        for name, members in self.interfaces.items():
            chosen = {}
            for field_name in self.random.sample(FIELD_NAMES, self.random.choice((0, 1, 2))):
                if any(field_name in self.entities[m].fields for m in members):
                    continue
                hosts = sorted({h for m in members for h in self.entities[m].hosts})
                chosen[field_name] = (self.arguments(), self.shape(self.target(hosts)))
            self.common[name] = chosen
            for member in members:
                for field_name, given in chosen.items():
                    self._place(self.entities[member], field_name, given)

    def _requires(self, entity: Entity) -> None:
        """A field that needs others of the same entity, which this subgraph doesn't resolve."""
        host = self.random.choice(entity.hosts)
        block = self.graphs[host].block(Kind.TYPE, entity.name)
        parts = []
        candidates = [
            (name, *facts)
            for name, facts in entity.fields.items()
            if name not in block.fields and facts[2] and host not in facts[2]
        ]
        self.random.shuffle(candidates)
        for name, arguments, type_, _ in candidates[: self.random.choice((1, 1, 2))]:
            inner = type_.strip("[]!")
            if inner in LEAVES:
                below = ""
            elif inner in self.values and inner != "V0":
                self.know(host, inner)
                picked = self.random.sample(list(self.values[inner]), self.random.randint(1, len(self.values[inner])))
                below = f" {{ {' '.join(picked)} }}"
            else:
                continue
            passed = ""
            if "by: Int" in arguments and self.chance(0.8):
                passed = f"(by: {self.random.choice((2, 7))})"
            elif "filter: Filter!" in arguments and self.chance(0.5):
                passed = "(filter: {limit: 9})"
            block.add(name, arguments, type_, "@external")
            parts.append(f"{name}{passed}{below}")
        if not parts:
            return
        number = sum(name.startswith("made") for name in entity.fields)
        arguments, type_ = self.arguments(), self.shape(self.random.choice(LEAVES))
        block.add(f"made{number}", arguments, type_, f'@requires(fields: "{" ".join(parts)}")')
        self.whole.block(Kind.TYPE, entity.name).add(f"made{number}", arguments, type_)
        entity.fields[f"made{number}"] = (arguments, type_, [host])
        if any(part.partition("(")[0].partition(" ")[0] in entity.unprovided for part in parts):
            entity.unprovided.add(f"made{number}")

    def _provides(self) -> None:
        """A field whose answer brings fields of another entity along."""
        owner = self.random.choice(list(self.entities.values()))
        host = self.random.choice(owner.hosts)
        targets = [e for e in self.entities.values() if host not in e.barred and e is not owner]
        if not targets:
            return
        target = self.random.choice(targets)
        self.know(host, target.name)
        block = self.graphs[host].block(Kind.TYPE, target.name)
        free = [
            (name, facts)
            for name, facts in target.fields.items()
            if name not in block.fields and facts[2] and not facts[0] and facts[1].strip("[]!") in LEAVES
        ]
        free = [one for one in free if one[0] not in target.unprovided]
        free += [
            (name, target.fields[name])
            for name, made in block.fields.items()
            if name in target.fields
            and "@external" in made.directives
            and not made.arguments
            and made.type.strip("[]!") in LEAVES
            and name not in target.unprovided
        ]
        if not free:
            return
        chosen = self.random.sample(free, self.random.choice((1, min(2, len(free)))))
        for name, (arguments, type_, resolvers) in chosen:
            if name not in block.fields:
                block.add(name, arguments, type_, "@external")
            # A field that is provided is resolved here too, along that way.
            for resolver in resolvers:
                directives = self.graphs[resolver].blocks[target.name].fields[name].directives
                if "@shareable" not in directives:
                    directives.append("@shareable")
        name = f"given{sum(n.startswith('given') for n in owner.fields)}"
        type_ = self.shape(target.name)
        fields = " ".join(sorted({name for name, _ in chosen}))
        self.graphs[host].block(Kind.TYPE, owner.name).add(name, "", type_, f'@provides(fields: "{fields}")')
        self.whole.block(Kind.TYPE, owner.name).add(name, "", type_)
        owner.fields[name] = ("", type_, [])

    def _context(self) -> None:
        """A type that sets a context, and one that only it leads to, with a field that takes its argument from it."""
        home, *others = self.random.sample(self.names, len(self.names))
        value = self.random.choice(("String", "Int!", "[ID!]", "Color"))
        whole = self.whole.block(Kind.TYPE, "H0")
        for graph in (home, *others[:1]):
            block = self.graphs[graph].block(Kind.TYPE, "H0")
            block.directives.append('@key(fields: "id")')
            block.add("id", "", "ID!")
            if graph == home:
                block.directives.append('@context(name: "above")')
        whole.add("id", "", "ID!")
        # The value may have to be fetched from elsewhere first.
        giver = self.random.choice((home, *others[:1]))
        for graph in {giver: None, home: None}:
            block = self.graphs[graph].block(Kind.TYPE, "H0")
            block.add("label", "", value, *([] if graph == giver else ["@external"]))
        whole.add("label", "", value)
        for name in ("kid", "kids"):
            type_ = self.shape("K0")
            self.graphs[home].block(Kind.TYPE, "H0").add(name, "", type_)
            whole.add(name, "", type_)
        shown = self.whole.block(Kind.TYPE, "K0")
        for graph in (home, *others[:1]):
            block = self.graphs[graph].block(Kind.TYPE, "K0")
            block.directives.append('@key(fields: "id")')
            block.add("id", "", "ID!")
            if graph != home:
                block.add("plain", "", "Int")
                shown.add("plain", "", "Int")
        shown.add("id", "", "ID!")
        type_ = self.shape(self.random.choice(LEAVES))
        taken = f'given: {value.replace("!", "")} @fromContext(field: "$above {{ label }}")'
        more = self.random.choice((("", ""), (", by: Int = 2", "(by: Int = 2)")))
        self.graphs[home].block(Kind.TYPE, "K0").add("told", f"({taken}{more[0]})", type_)
        shown.add("told", more[1], type_)
        for name in self.random.sample((home, *others[:1]), 1):
            self.root_field(self.graphs[name], self.whole.block(Kind.TYPE, "Query"), "h0", "H0")

    # -- interfaces

    def _declare_interfaces(self) -> None:
        for name, members in self.interfaces.items():
            for graph in self.graphs.values():
                here = [m for m in members if graph.name in self.entities[m].hosts]
                if not here or not (name in graph.wanted or self.chance(0.4)):
                    continue
                fields = {"id": ("", "ID!"), **self.common[name]}
                blocks = [graph.blocks[m] for m in here]
                shown = {
                    n: f
                    for n, f in fields.items()
                    if all(
                        n in b.fields
                        and ("@external" not in b.fields[n].directives or (graph.name, name, n) in self.loose)
                        for b in blocks
                    )
                }
                if not shown:
                    shown = {}
                    if name not in graph.wanted:
                        continue
                    for block in blocks:
                        block.add("id", "", "ID!", "@shareable")
                    shown["id"] = ("", "ID!")
                interface = graph.block(Kind.INTERFACE, name)
                whole = self.whole.block(Kind.INTERFACE, name)
                for field_name, (arguments, type_) in shown.items():
                    interface.add(field_name, arguments, type_)
                    whole.add(field_name, arguments, type_)
                for member in here:
                    graph.blocks[member].implements.add(name)
                    self.whole.blocks[member].implements.add(name)

    # -- roots

    def _roots(self) -> None:
        whole = self.whole.block(Kind.TYPE, "Query")
        number = 0
        for name, graph in self.graphs.items():
            for _ in range(self.random.choice((0, 1, 2, 2, 3)) or (0 if number else 1)):
                inner = self.target([name])
                if inner in LEAVES and self.chance(0.7):
                    inner = self.random.choice([e for e in self.entities if self.can_return(name, e)] or ["Int"])
                self.root_field(graph, whole, f"q{number}", inner)
                number += 1
        if len(self.names) > 1 and self.chance(0.4):
            pair = self.random.sample(self.names, 2)
            inner, arguments = self.target(pair), self.arguments()
            type_ = self.shape(inner)
            for name in pair:
                self._need(name, inner)
                self.graphs[name].block(Kind.TYPE, "Query").add("both", arguments, type_, "@shareable")
            whole.add("both", arguments, type_)
        for index in range(self.random.choice((0, 0, 1, 3))):
            graph = self.graphs[self.random.choice(self.names)]
            inner = self.target([graph.name])
            self.root_field(graph, self.whole.block(Kind.TYPE, "Mutation"), f"m{index}", inner, "Mutation")
        for index in range(self.random.choice((0, 0, 1, 2))):
            graph = self.graphs[self.random.choice(self.names)]
            inner = self.target([graph.name])
            self.root_field(graph, self.whole.block(Kind.TYPE, "Subscription"), f"s{index}", inner, "Subscription")
        for name in self.names:
            if self.chance(0.3) and "Mutation" in self.whole.blocks:
                for one in (self.graphs[name], self.whole):
                    one.block(Kind.TYPE, "Mutation").add(f"count_{name}", "(by: Int! = 1)", "Int!")

    def _need(self, name: str, inner: str) -> None:
        self.know(name, inner)
        if inner in self.interfaces and inner not in self.graphs[name].blocks:
            self._declare_interfaces()

    def root_field(self, graph: SubgraphText, whole: Block, name: str, inner: str, root: str = "Query") -> None:
        """Declare a field of a root type, here and in the whole."""
        self._need(graph.name, inner)
        arguments, type_ = self.arguments(), self.shape(inner)
        graph.block(Kind.TYPE, root).add(name, arguments, type_)
        whole.add(name, arguments, type_)
