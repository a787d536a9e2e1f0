"""Federation 1: entities have owners, others extend them; the supergraph is one of Apollo's old composer (v0.1)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from lab.fuzzing.maker import COLORS, FIELD_NAMES, INPUTS, KEYS, LEAVES, SHARED_TYPES, Maker
from lab.fuzzing.text import Graph, Kind, SubgraphText, render

_JOIN: Final = """schema
  @core(feature: "https://specs.apollo.dev/core/v0.1")
  @core(feature: "https://specs.apollo.dev/join/v0.1")
{
%s
}
directive @core(feature: String!) repeatable on SCHEMA
directive @join__field(graph: join__Graph, provides: join__FieldSet, requires: join__FieldSet) on FIELD_DEFINITION
directive @join__graph(name: String!, url: String!) on ENUM_VALUE
directive @join__owner(graph: join__Graph!) on INTERFACE | OBJECT
directive @join__type(graph: join__Graph!, key: join__FieldSet) repeatable on INTERFACE | OBJECT
scalar join__FieldSet
"""


@dataclass
class _Entity:
    name: str
    owner: str
    keys: list[str]
    #: Subgraph -> the keys by which it knows the type.
    known: dict[str, list[str]] = field(default_factory=dict)
    #: Field -> (subgraph, arguments, type, what it requires, what it provides).
    fields: dict[str, tuple[str, str, str, str, str]] = field(default_factory=dict)


class Federation1:
    """A graph being made: what it is made with is a `Maker`'s (its choices, its texts)."""

    def __init__(self, maker: Maker) -> None:
        self.maker = maker
        self.random = maker.random
        self.graphs = dict(list(maker.graphs.items())[:4])
        self.names = list(self.graphs)
        self.entities: dict[str, _Entity] = {}
        self.values: dict[str, dict[str, str]] = {}
        self.interfaces: dict[str, list[str]] = {}
        self.unions: dict[str, list[str]] = {}
        self.roots: dict[tuple[str, str], str] = {}

    def make(self) -> Graph:
        """The graph; half of all have a supergraph of their own, the others are composed."""
        for graph in (self.maker.whole, *self.graphs.values()):
            graph.colors, graph.inputs, graph.federation_1 = COLORS, INPUTS, True
        self.leaves = LEAVES
        self._types()
        for entity in self.entities.values():
            for name in entity.known:
                self._add_fields(entity, name)
        for entity in self.entities.values():
            for name in [n for n in entity.known if n != entity.owner]:
                self._add_requires(entity, name)
        self._add_provides()
        self._add_roots()
        texts = {name: render(graph) for name, graph in self.graphs.items()}
        whole = render(self.maker.whole, monolith=True)
        return Graph(whole, texts, "".join(self._supergraph()) if self.maker.kinds.random() < 0.5 else "")

    # -- types

    def _types(self) -> None:
        for index in range(self.random.randint(2, 4)):
            keys = ["id", *self.random.sample([k for k in KEYS if k != "id"], self.random.choice((0, 0, 1)))]
            entity = _Entity(f"E{index}", self.random.choice(self.names), keys)
            self.entities[entity.name] = entity
            self._know(entity, entity.owner)
        for index in range(self.random.randint(1, 2)):
            chosen = self.random.sample(FIELD_NAMES, self.random.randint(1, 3))
            self.values[f"V{index}"] = {name: self.maker.shape(self.maker.leaf()) for name in chosen}
        members = list(self.entities)
        for index in range(self.random.choice((0, 1, 2))):
            self.interfaces[f"I{index}"] = self.random.sample(members, self.random.randint(1, min(3, len(members))))
        if self.maker.chance(0.5):
            pool = [*members, *self.values]
            self.unions["U0"] = self.random.sample(pool, self.random.randint(2, min(4, len(pool))))
        for entity in self.entities.values():
            for name in self.names:
                if name != entity.owner and self.maker.chance(0.5):
                    self._know(entity, name)

    def _know(self, entity: _Entity, name: str) -> None:
        """Declare the type: the owner with all its keys, others extend it by one or more of them."""
        if name in entity.known:
            return
        own = name == entity.owner
        keys = entity.keys if own else self.random.sample(entity.keys, self.random.randint(1, len(entity.keys)))
        if not own and "id" not in keys:
            keys = ["id", *keys]  # interfaces have it
        entity.known[name] = keys
        block = self.graphs[name].block(Kind.TYPE, entity.name)
        block.extends = not own
        for key in keys:
            block.directives.append(f'@key(fields: "{key}")')
            self._key_fields(name, block.name, key, external=not own)

    def _key_fields(self, name: str, type_name: str, key: str, *, external: bool) -> None:
        for field_name, type_ in KEYS[key]:
            below = type_.strip("[]!")
            for graph in (self.graphs[name], self.maker.whole):
                for inner, inner_type in SHARED_TYPES.get(below, {}).items():
                    graph.block(Kind.TYPE, below).add(inner, "", inner_type)
                directives = ["@external"] if external and graph is not self.maker.whole else []
                graph.block(Kind.TYPE, type_name).add(field_name, "", type_, *directives)

    def _use(self, name: str, type_name: str) -> None:
        """Let a subgraph return the type."""
        graph, whole = self.graphs[name], self.maker.whole
        if type_name in self.entities:
            self._know(self.entities[type_name], name)
        elif type_name in self.values:
            for field_name, type_ in self.values[type_name].items():
                graph.block(Kind.TYPE, type_name).add(field_name, "", type_)
                whole.block(Kind.TYPE, type_name).add(field_name, "", type_)
        elif type_name in self.unions:
            for one in (graph, whole):
                one.unions[type_name] = sorted(self.unions[type_name])
            for member in self.unions[type_name]:
                self._use(name, member)
        elif type_name in self.interfaces:
            for one in (graph, whole):
                one.block(Kind.INTERFACE, type_name).add("id", "", "ID!")
            for member in self.interfaces[type_name]:
                self._know(self.entities[member], name)
                for one in (graph, whole):
                    one.block(Kind.TYPE, member).implements.add(type_name)

    def _target(self) -> str:
        if self.maker.chance(0.5):
            return self.maker.leaf()
        return self.random.choice([*self.entities, *self.entities, *self.values, *self.interfaces, *self.unions])

    # -- fields

    def _add(self, entity: _Entity, graph: str, name: str, type_: str, requires: str = "", provides: str = "") -> None:
        if name in entity.fields or name in self.maker.whole.block(Kind.TYPE, entity.name).fields:
            return
        self._use(graph, type_.strip("[]!"))
        arguments = self.maker.arguments()
        directives = [f'@requires(fields: "{requires}")'] if requires else []
        directives += [f'@provides(fields: "{provides}")'] if provides else []
        self.graphs[graph].block(Kind.TYPE, entity.name).add(name, arguments, type_, *directives)
        self.maker.whole.block(Kind.TYPE, entity.name).add(name, arguments, type_)
        entity.fields[name] = (graph, arguments, type_, requires, provides)

    def _add_fields(self, entity: _Entity, graph: str) -> None:
        count = self.random.randint(2, 4) if graph == entity.owner else self.random.randint(0, 2)
        for name in self.random.sample(FIELD_NAMES, count):
            self._add(entity, graph, name, self.maker.shape(self._target()))

    def _givable(self, entity: _Entity, graph: str) -> list[str]:
        """The owner's plain fields, which others may have as external ones."""
        own = self.graphs[graph].block(Kind.TYPE, entity.name).fields
        return sorted(
            name
            for name, (owner, arguments, type_, requires, _) in entity.fields.items()
            if owner == entity.owner
            and not arguments
            and not requires
            and type_.strip("[]!") in self.leaves
            and (name not in own or "@external" in own[name].directives)
        )

    def _external(self, entity: _Entity, graph: str, names: list[str]) -> str:
        for name in names:
            self.graphs[graph].block(Kind.TYPE, entity.name).add(name, "", entity.fields[name][2], "@external")
        return " ".join(names)

    def _add_requires(self, entity: _Entity, graph: str) -> None:
        free = self._givable(entity, graph)
        if free and self.maker.chance(0.6):
            needed = self.random.sample(free, self.random.randint(1, min(2, len(free))))
            number = sum(name.startswith("made") for name in entity.fields)
            type_ = self.maker.shape(self.maker.leaf())
            self._add(entity, graph, f"made{number}", type_, requires=self._external(entity, graph, needed))

    def _add_provides(self) -> None:
        for _ in range(self.random.choice((0, 1, 2))):
            parent = self.random.choice(list(self.entities.values()))
            graph = self.random.choice(list(parent.known))
            target = self.random.choice(list(self.entities.values()))
            if target is parent or target.owner == graph:
                continue
            self._use(graph, target.name)
            if free := self._givable(target, graph):
                chosen = self.random.sample(free, self.random.randint(1, min(2, len(free))))
                number = sum(name.startswith("given") for name in parent.fields)
                provides = self._external(target, graph, chosen)
                self._add(parent, graph, f"given{number}", self.maker.shape(target.name), provides=provides)

    def _add_roots(self) -> None:
        number = 0
        for graph in self.names:
            for _ in range(self.random.choice((1, 1, 2))):
                self._root("Query", f"q{number}", graph)
                number += 1
            if self.maker.chance(0.2):
                self._root("Mutation", f"m{number}", graph)
            if self.maker.chance(0.2):
                self._root("Subscription", f"s{number}", graph)

    def _root(self, root: str, name: str, graph: str) -> None:
        inner = self._target()
        if inner in self.leaves:
            inner = self.random.choice(list(self.entities))
        self._use(graph, inner)
        arguments, type_ = self.maker.arguments(), self.maker.shape(inner)
        for one in (self.graphs[graph], self.maker.whole):
            one.block(Kind.TYPE, root).add(name, arguments, type_)
        self.roots[root, name] = graph

    # -- the supergraph

    def _supergraph(self) -> Iterator[str]:
        whole: SubgraphText = self.maker.whole
        roots = [root for root in ("Query", "Mutation", "Subscription") if root in whole.blocks]
        yield _JOIN % "\n".join(f"  {root.lower()}: {root}" for root in roots)
        values = "\n".join(f'  {n.upper()} @join__graph(name: "{n}", url: "http://{n}")' for n in self.names)
        yield f"enum join__Graph {{\n{values}\n}}\n"
        plain = SubgraphText("", unions=whole.unions, colors=whole.colors, inputs=whole.inputs, federation_1=True)
        yield render(plain)
        for block in whole.blocks.values():
            implements = f" implements {' & '.join(sorted(block.implements))}" if block.implements else ""
            entity = self.entities.get(block.name)
            directives = "" if entity is None else f" @join__owner(graph: {entity.owner.upper()})"
            for graph, keys in (entity.known if entity is not None else {}).items():
                directives += "".join(f' @join__type(graph: {graph.upper()}, key: "{key}")' for key in keys)
            lines = [
                f"  {name}{made.arguments}: {made.type}{self._join(block.name, name)}"
                for name, made in block.fields.items()
            ]
            yield f"{block.kind.value} {block.name}{implements}{directives} {{\n" + "\n".join(lines) + "\n}\n"

    def _join(self, type_name: str, name: str) -> str:
        entity = self.entities.get(type_name)
        if entity is None:
            graph = self.roots.get((type_name, name))
            return "" if graph is None else f" @join__field(graph: {graph.upper()})"
        graph, _, _, requires, provides = entity.fields.get(name, (entity.owner, "", "", "", ""))
        more = f', requires: "{requires}"' if requires else ""
        more += f', provides: "{provides}"' if provides else ""
        if graph == entity.owner and not more and self.maker.kinds.random() < 0.5:
            return ""  # a field without a join is its type's owner's
        return f" @join__field(graph: {graph.upper()}{more})"
