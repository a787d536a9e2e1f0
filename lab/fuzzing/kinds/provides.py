"""`@provides` where interfaces are: on fields that several types share, and of fields of an interface's types."""

from lab.fuzzing.maker import LEAVES, Entity, Maker
from lab.fuzzing.text import Block, Kind


def add_provides_on_interfaces(maker: Maker) -> None:
    """For some interfaces: a field of all its types that provides by each, or a field that returns it and provides."""
    for name, members in maker.interfaces.items():
        if maker.kinds.random() < 0.5:
            _each_type_provides(maker, name, [maker.entities[m] for m in members])
        if maker.kinds.random() < 0.8:
            _provides_of_each(maker, name, [maker.entities[m] for m in members])


def _each_type_provides(maker: Maker, name: str, members: list[Entity]) -> None:
    """A common field of an interface's types, each with a `@provides` of its own, or none."""
    source = maker.kinds
    hosts = sorted(set.intersection(*(set(m.hosts) for m in members)))
    targets = [e for e in maker.entities.values() if e not in members]
    if not hosts or not targets:
        return
    host, target = source.choice(hosts), source.choice(targets)
    if host in target.barred:
        return
    maker.know(host, target.name)
    free = providable(maker, host, target)
    if not free:
        return
    type_ = maker.shape(target.name)
    same = source.random() < 0.4
    chosen = source.sample(free, source.randint(1, min(2, len(free))))
    for member in members:
        own = chosen if same else source.sample(free, source.randint(0, min(2, len(free))))
        directives = [f'@provides(fields: "{" ".join(sorted(own))}")'] if own else []
        _declare(maker, host, target, own)
        maker.graphs[host].blocks[member.name].add(f"kin{name[1:]}", "", type_, *directives)
        maker.whole.blocks[member.name].add(f"kin{name[1:]}", "", type_)
        member.fields[f"kin{name[1:]}"] = ("", type_, [])
    maker.common[name][f"kin{name[1:]}"] = ("", type_)
    maker.graphs[host].wanted.add(name)


def _provides_of_each(maker: Maker, name: str, members: list[Entity]) -> None:
    """A field that returns an interface, and provides fields of its types: by fragments, or one that all have."""
    source = maker.kinds
    hosts = [n for n in maker.names if sum(n in m.hosts for m in members) > 1 or source.random() < 0.2]
    owners = [e for e in maker.entities.values() if set(e.hosts) & set(hosts) and e not in members]
    if not owners:
        return
    owner = source.choice(owners)
    host = source.choice([n for n in owner.hosts if n in hosts])
    here = [m for m in members if host in m.hosts]
    if not here:
        return
    free = {m.name: providable(maker, host, m) for m in here}
    common = set.intersection(*(set(providable(maker, host, m, values=True)) for m in here)) & set(maker.common[name])
    parts = []
    if common and source.random() < 0.6:
        field_name = source.choice(sorted(common))
        below = maker.values[maker.common[name][field_name][1].strip("[]!")]
        parts.append(f"{field_name} {{ {' '.join(source.sample(list(below), source.randint(1, len(below))))} }}")
        for member in here:
            _declare(maker, host, member, [field_name])
        maker.loose.add((host, name, field_name))
    else:
        for member in here:
            if own := source.sample(free[member.name], min(len(free[member.name]), source.choice((0, 1, 2, 2)))):
                _declare(maker, host, member, own)
                parts.append(f"... on {member.name} {{ {' '.join(sorted(own))} }}")
    if not parts:
        return
    type_ = maker.shape(name)
    provides = f'@provides(fields: "{" ".join(parts)}")'
    maker.graphs[host].block(Kind.TYPE, "Query").add(f"brood{name[1:]}", "", type_, provides)
    maker.whole.block(Kind.TYPE, "Query").add(f"brood{name[1:]}", "", type_)
    maker.graphs[host].blocks[owner.name].add(f"brood{name[1:]}", "", type_, provides)
    maker.whole.blocks[owner.name].add(f"brood{name[1:]}", "", type_)
    owner.fields[f"brood{name[1:]}"] = ("", type_, [])
    maker.graphs[host].wanted.add(name)


def providable(maker: Maker, host: str, target: Entity, *, values: bool = False) -> list[str]:
    """Leaf fields of an entity (or those of value types) that a subgraph doesn't resolve, and may say are external."""
    block = maker.graphs[host].block(Kind.TYPE, target.name)
    return sorted(
        name
        for name, (arguments, type_, resolvers) in target.fields.items()
        if not arguments
        and type_.strip("[]!") in ({v for v in maker.values if v != "V0"} if values else LEAVES)
        and name not in target.unprovided
        and (resolvers if name not in block.fields else "@external" in block.fields[name].directives)
    )


def _declare(maker: Maker, host: str, target: Entity, names: list[str]) -> None:
    """A field that is provided is external here, and shareable where it is resolved."""
    block: Block = maker.graphs[host].blocks[target.name]
    for name in names:
        arguments, type_, resolvers = target.fields[name]
        maker.know(host, type_.strip("[]!"))
        block.add(name, arguments, type_, "@external")
        for resolver in resolvers:
            directives = maker.graphs[resolver].blocks[target.name].fields[name].directives
            if "@shareable" not in directives:
                directives.append("@shareable")
