"""Types with several interfaces; interfaces with `@interfaceObject`s in other subgraphs, several of one type too."""

from typing import Final

from lab.fuzzing.maker import Entity, EntityInterface, Maker
from lab.fuzzing.text import Block, Kind

#: Their names; a field's names follow from them.
_NAMES: Final = {"M": ("base", "extra"), "N": ("ground", "more")}


def add_several_interfaces(maker: Maker) -> None:
    """Let two interfaces share types."""
    source = maker.kinds
    if source.random() > 0.35:
        return
    for name in ("I0", "I1"):
        if name not in maker.interfaces:
            maker.interfaces[name] = source.sample(
                list(maker.entities), min(len(maker.entities), source.choice((1, 2)))
            )
    one, other = maker.interfaces["I0"], maker.interfaces["I1"]
    for member in source.sample(one, source.randint(1, len(one))):
        if member not in other:
            other.append(member)


def add_interface_objects(maker: Maker) -> None:
    """An interface `M` of entities `X…`, and maybe `N`, which shares some of them."""
    if len(maker.names) < 2 or not maker.chance(0.4):
        return
    home, *others = maker.random.sample(maker.names, maker.random.randint(2, len(maker.names)))
    objects = others[: maker.random.choice((1, 1, 2))]
    for index in range(maker.random.choice((1, 2, 2))):
        extra = [n for n in maker.names if n not in objects and n != home and maker.chance(0.5)]
        maker.entities[f"X{index}"] = Entity(f"X{index}", ["id"], [home, *extra], barred=set(objects))
    members = [name for name in maker.entities if name.startswith("X")]
    for types in (maker.unions.get("U0"), maker.interfaces.get("I0")):
        if types and maker.chance(0.4):
            types.append("X0")
    maker.entity_interfaces["M"] = EntityInterface("M", home, objects, members)
    if maker.kinds.random() < 0.6:
        _second(maker, home, objects, members)


def _second(maker: Maker, home: str, objects: list[str], members: list[str]) -> None:
    """`N` has some types of `M`, and maybe one of its own; its objects are in the same subgraphs, or in others."""
    source = maker.kinds
    chosen = source.sample(members, source.randint(1, len(members)))
    own_home = home
    if source.random() < 0.3:
        hosts = [set(maker.entities[m].hosts) for m in chosen]
        own_home = source.choice(sorted(set.intersection(*hosts)))
    if source.random() < 0.4:
        maker.entities["X9"] = Entity("X9", ["id"], [own_home])
        chosen.append("X9")
    taken: set[str] = {host for m in chosen for host in maker.entities[m].hosts}
    free = [n for n in maker.names if n not in taken]
    if not free:
        return
    own = [n for n in objects if n in free] if source.random() < 0.5 else []
    own = own or source.sample(free, min(len(free), source.choice((1, 1, 2))))
    for member in chosen:
        maker.entities[member].barred |= set(own)
    maker.entity_interfaces["N"] = EntityInterface("N", own_home, own, chosen)


def add_interface_object_fields(maker: Maker) -> None:
    """Declarations of homes and interface objects, and roots that give them."""
    for interface in maker.entity_interfaces.values():
        _fields(maker, interface)
        if maker.kinds.random() < 0.6:
            graph = maker.kinds.choice((interface.home, *interface.objects))
            kept = maker.random
            maker.random = maker.kinds
            whole = maker.whole.block(Kind.TYPE, "Query")
            maker.root_field(maker.graphs[graph], whole, f"q{interface.name}", interface.name)
            maker.random = kept


def _fields(maker: Maker, interface: EntityInterface) -> None:
    base, extra = _NAMES[interface.name]
    home = maker.graphs[interface.home]
    whole = maker.whole.block(Kind.INTERFACE, interface.name)
    block = home.block(Kind.INTERFACE, interface.name)
    block.directives.append('@key(fields: "id")')
    members: list[tuple[Block, Block]] = [
        (maker.whole.block(Kind.TYPE, m), home.block(Kind.TYPE, m)) for m in interface.members
    ]
    for one in (whole, block):
        one.add("id", "", "ID!")
    for pair in members:
        for one in pair:
            one.implements.add(interface.name)
    # A field that the home resolves, and an interface object may require.
    if maker.chance(0.5):
        type_ = maker.shape(maker.leaf())
        for one in (whole, block, *(one for pair in members for one in pair)):
            one.add(base, "", type_)
    for index, graph in enumerate(interface.objects):
        own = maker.graphs[graph].block(Kind.TYPE, interface.name)
        own.directives += ["@interfaceObject", '@key(fields: "id")']
        own.add("id", "", "ID!")
        for number in range(maker.random.randint(1, 2)):
            inner = maker.target([graph])
            maker.know(graph, inner)
            arguments, type_ = maker.arguments(), maker.shape(inner)
            directives = []
            if base in whole.fields and maker.chance(0.5):
                own.add(base, "", whole.fields[base].type, "@external")
                directives = [f'@requires(fields: "{base}")']
            own.add(f"{extra}{index}{number}", arguments, type_, *directives)
            for one in (whole, *(shown for shown, _ in members)):
                one.add(f"{extra}{index}{number}", arguments, type_)
