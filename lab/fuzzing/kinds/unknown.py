"""Entities that a subgraph doesn't know, or whose key is null there: it gives fields to other subgraphs' objects."""

from typing import Final

from lab.fuzzing.maker import Entity, Maker
from lab.fuzzing.text import Kind

#: A key field that some objects have no value of.
NULLABLE_KEY: Final = "alt"


def add_guests(maker: Maker) -> None:
    """Let subgraphs add fields to entities that they never return: which ones they know is theirs to say."""
    for entity in list(maker.entities.values()):
        free = [n for n in maker.names if n not in entity.hosts and n not in entity.barred]
        if free and maker.kinds.random() < 0.6:
            _guest(maker, entity, maker.kinds.choice(free))


def _guest(maker: Maker, entity: Entity, name: str) -> None:
    source, owner, guest = maker.kinds, maker.graphs[entity.hosts[0]], maker.graphs[name]
    entity.barred.add(name)
    block = guest.block(Kind.TYPE, entity.name)
    if source.random() < 0.65:
        key = source.choice((NULLABLE_KEY, NULLABLE_KEY, f"{NULLABLE_KEY} id"))
        block.add(NULLABLE_KEY, "", "ID")
        if "id" in key:
            block.add("id", "", "ID!", "@shareable")
        at_owner = owner.blocks[entity.name]
        if source.random() < 0.5:
            at_owner.directives.append(f'@key(fields: "{key}")')
        at_owner.add(NULLABLE_KEY, "", "ID", "@shareable")
        maker.whole.blocks[entity.name].add(NULLABLE_KEY, "", "ID")
    else:
        key = source.choice(entity.keys)
        maker.add_key_fields(guest, block, key)
    block.directives.append(f'@key(fields: "{key}")')
    for number in range(source.choice((1, 1, 2))):
        field_name = f"guest{number}"
        inner = maker.target([name])
        maker.know(name, inner)
        arguments, type_ = maker.arguments(), maker.shape(inner)
        block.add(field_name, arguments, type_)
        maker.whole.blocks[entity.name].add(field_name, arguments, type_)
        # Others may require it, but bring it along no other way.
        entity.fields[field_name] = (arguments, type_, [name])
        entity.unprovided.add(field_name)
