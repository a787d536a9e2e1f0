"""A seed -> a `Graph`: the SDL of a random monolith, and the SDLs of the subgraphs that it is cut into."""

import random

from lab.fuzzing.kinds.federation1 import Federation1
from lab.fuzzing.kinds.hidden import hide
from lab.fuzzing.kinds.interfaces import (
    add_interface_object_fields,
    add_interface_objects,
    add_several_interfaces,
)
from lab.fuzzing.kinds.provides import add_provides_on_interfaces
from lab.fuzzing.kinds.roots import add_roots
from lab.fuzzing.kinds.unknown import add_guests
from lab.fuzzing.maker import COLORS, FIELD_NAMES, INPUTS, Maker
from lab.fuzzing.text import Graph as Graph
from lab.fuzzing.text import render

#: So many graphs are federation 1's.
FEDERATION_1 = 0.08


class _GraphMaker(Maker):
    """Puts a graph together from its kinds, in one order."""

    def make(self) -> Graph:
        self._kinds()
        add_several_interfaces(self)
        add_interface_objects(self)
        for entity in self.entities.values():
            self._host(entity)
        add_guests(self)
        self._common_fields()
        for entity in self.entities.values():
            for name in self.random.sample(FIELD_NAMES, self.random.randint(3, 7)):
                if name not in entity.fields:
                    self._place(entity, name)
        for entity in self.entities.values():
            for _ in range(self.random.choice((0, 1, 1, 2, 3))):
                self._requires(entity)
        for _ in range(self.random.choice((0, 1, 2, 3))):
            self._provides()
        add_provides_on_interfaces(self)
        add_interface_object_fields(self)
        if self.chance(0.3):
            self._context()
        self._declare_interfaces()
        self._roots()
        self._sprinkle()
        return Graph(render(self.whole, monolith=True), {n: render(g) for n, g in self.graphs.items()})

    # -- what changes no answer

    def _sprinkle(self) -> None:
        used: set[str] = set()
        for name, graph in self.graphs.items():
            graph.colors = self.colors[name]
            used |= set(graph.colors)
            graph.inputs = INPUTS
        self.whole.colors = tuple(c for c in COLORS if c in used)
        self.whole.inputs = INPUTS
        if self.kinds.random() < 0.7:
            for graph in self.graphs.values():
                graph.spelling = random.Random(self.kinds.random())
        add_roots(self)
        hide(self)
        for graph in self.graphs.values():
            for block in graph.blocks.values():
                for made in block.fields.values():
                    if "@external" not in made.directives and self.chance(0.05):
                        made.directives.append('@tag(name: "t")')
        for entity in self.entities.values():
            shown = {f for i, fields in self.common.items() if entity.name in self.interfaces[i] for f in fields}
            hideable = [
                n for n in self.whole.blocks[entity.name].fields if n in (*entity.fields, "sku") and n not in shown
            ]
            if hideable and self.chance(0.25):
                self._hide(entity.name, self.random.choice(hideable))
        if self.chance(0.15):
            color = self.random.choice(COLORS[1:])
            self.whole.hidden_colors = {color}
            for graph in self.graphs.values():
                graph.hidden_colors = {color}

    def _hide(self, type_name: str, field_name: str) -> None:
        for one in (self.whole, *self.graphs.values()):
            made = one.blocks[type_name].fields.get(field_name) if type_name in one.blocks else None
            if made is not None and not {"@external", "@inaccessible"} & set(made.directives):
                made.directives.append("@inaccessible")


def make_graph(seed: int) -> Graph:
    """The same for the same seed. It may be a graph that can't be satisfied: composition decides."""
    maker = _GraphMaker(seed)
    if maker.kinds.random() < FEDERATION_1:
        return Federation1(maker).make()
    return maker.make()
