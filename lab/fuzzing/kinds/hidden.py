"""Parts that clients don't see: types, arguments and input fields (fields and enum values are the plain graph's)."""

import re

from lab.fuzzing.maker import Maker
from lab.fuzzing.text import SubgraphText

_HIDDEN = " @inaccessible"


def hide(maker: Maker) -> None:
    """Hide a type with every field that returns it, an argument, an input field."""
    source = maker.kinds
    if source.random() < 0.4:
        _hide_type(maker)
    if source.random() < 0.3:
        _hide_argument(maker)
    if source.random() < 0.2:
        # Of those that no default uses, and that have none.
        name = source.choice(("tags: [String!]", "z: Point"))
        for graph in (maker.whole, *maker.graphs.values()):
            graph.inputs = re.sub(rf"({re.escape(name)})(?=[\s}}])", rf"\1{_HIDDEN}", graph.inputs)


def _everywhere(maker: Maker) -> list[SubgraphText]:
    return [maker.whole, *maker.graphs.values()]


def _hide_type(maker: Maker) -> None:
    """A member of a union or interface; that it may still be answered there is what this is for."""
    abstract = [set(members) for members in (*maker.whole.unions.values(), *_implementations(maker).values())]
    # Of each union and interface another type is left.
    choices = {m for members in abstract for m in members} - {
        m for members in abstract if len(members) < 2 for m in members
    }
    if not choices:
        return
    name = maker.kinds.choice(sorted(choices))
    for block in maker.whole.blocks.values():
        shown = [m for m in block.fields.values() if "@inaccessible" not in m.directives]
        if block.name != name and all(m.type.strip("[]!") == name for m in shown):
            return  # nothing of that type would be left
    for graph in _everywhere(maker):
        if name in graph.blocks:
            graph.blocks[name].directives.append("@inaccessible")
        for block in graph.blocks.values():
            for made in block.fields.values():
                if made.type.strip("[]!") == name and not {"@inaccessible", "@external"} & set(made.directives):
                    made.directives.append("@inaccessible")


def _implementations(maker: Maker) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for block in maker.whole.blocks.values():
        for interface in block.implements:
            found.setdefault(interface, set()).add(block.name)
    return found


def _hide_argument(maker: Maker) -> None:
    """One that has a default or may be null, of a field that no interface has."""
    shared = {name for block in maker.whole.blocks.values() if block.kind.value == "interface" for name in block.fields}
    places = [
        (block.name, name)
        for block in maker.whole.blocks.values()
        for name, made in block.fields.items()
        if made.arguments and name not in shared and not name.startswith(("count_", "told"))
    ]
    if not places:
        return
    type_name, field_name = maker.kinds.choice(places)
    for graph in _everywhere(maker):
        made = graph.blocks[type_name].fields.get(field_name) if type_name in graph.blocks else None
        if made is not None:
            made.arguments = made.arguments.removesuffix(")") + f"{_HIDDEN})"
