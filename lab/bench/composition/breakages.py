"""Ways to break a set of subgraphs: each takes it, changes one thing, and returns True if there was one to change."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from lab.bench.composition.sdl import Field, Service, Type

Breakage: TypeAlias = Callable[[random.Random, list[Service]], bool]
Place: TypeAlias = "tuple[Service, Type, Field]"

#: In the order in which they were thought of; the runner draws from all of them.
BREAKAGES: dict[str, Breakage] = {}


def breakage(function: Breakage) -> Breakage:
    """Register under the function's name."""
    BREAKAGES[getattr(function, "__name__", "")] = function
    return function


def _types(services: list[Service], *keywords: str) -> list[tuple[Service, Type]]:
    return [(s, t) for s in services for t in s.types.values() if not keywords or t.keyword in keywords]


def _fields(services: list[Service], *keywords: str) -> list[Place]:
    return [(s, t, f) for s, t in _types(services, *(keywords or ("type",))) for f in t.fields.values()]


def _keyed(services: list[Service]) -> list[tuple[Service, Type]]:
    return [(s, t) for s, t in _types(services, "type") if t.keys]


def _shared(services: list[Service]) -> Iterator[Place]:
    for service, type_, field in _fields(services):
        if type_.name != "Query" and any(
            other is not service and field.name in getattr(other.types.get(type_.name), "fields", {})
            for other in services
        ):
            yield service, type_, field


def _federation_2(services: list[Service]) -> list[Service]:
    return [s for s in services if s.version is not None]


def _with(services: list[Service], directive: str) -> list[Place]:
    return [place for place in _fields(services) if place[2].has(directive)]


# ---- sharing


@breakage
def drop_shareable_of_a_field(random_: random.Random, services: list[Service]) -> bool:
    places = _with(services, "@shareable")
    if places:
        random_.choice(places)[2].drop("@shareable")
    return bool(places)


@breakage
def drop_shareable_of_a_type(random_: random.Random, services: list[Service]) -> bool:
    places = [t for _, t in _types(services, "type") if t.has("@shareable")]
    if places:
        random_.choice(places).directives.remove("@shareable")
    return bool(places)


@breakage
def share_an_owned_field(random_: random.Random, services: list[Service]) -> bool:
    for service, type_, field in random_.sample(_fields(services), len(_fields(services))):
        for other in services:
            found = other.types.get(type_.name)
            if other is service or found is None or found.keyword != "type" or found.name == "Query":
                continue
            if field.name not in found.fields:
                found.fields[field.name] = Field(field.name, field.type, dict(field.arguments))
                return True
    return False


@breakage
def shareable_on_an_interface(random_: random.Random, services: list[Service]) -> bool:
    places = [p for p in _fields(services, "interface") if p[0].version is not None]
    if places:
        random_.choice(places)[2].directives.append("@shareable")
    return bool(places)


# ---- types of fields


@breakage
def change_the_type_of_a_shared_field(random_: random.Random, services: list[Service]) -> bool:
    places = [p for p in _shared(services) if p[2].base in ("String", "Int", "Boolean", "Float", "ID")]
    if places:
        field = random_.choice(places)[2]
        field.type = field.type.replace(field.base, "Int" if field.base != "Int" else "String")
    return bool(places)


@breakage
def make_a_shared_field_a_list(random_: random.Random, services: list[Service]) -> bool:
    places = [p for p in _shared(services) if not p[2].type.startswith("[")]
    if places:
        field = random_.choice(places)[2]
        field.type = f"[{field.type}]"
    return bool(places)


@breakage
def toggle_null_of_a_shared_field(random_: random.Random, services: list[Service]) -> bool:
    places = list(_shared(services))
    if places:
        field = random_.choice(places)[2]
        field.type = field.type[:-1] if field.type.endswith("!") else field.type + "!"
    return bool(places)


@breakage
def change_the_kind_of_a_type(random_: random.Random, services: list[Service]) -> bool:
    places = [(s, t) for s, t in _types(services, "type") if t.name in ("Value", "Place", "N0", "N1", "E0")]
    if places:
        _, type_ = random_.choice(places)
        type_.keyword = "interface"
        type_.interfaces = []
    return bool(places)


@breakage
def refer_to_an_unknown_type(random_: random.Random, services: list[Service]) -> bool:
    places = _fields(services)
    if places:
        random_.choice(places)[2].type = "Nowhere"
    return bool(places)


@breakage
def repeat_a_field(random_: random.Random, services: list[Service]) -> bool:
    places = _fields(services)
    if places:
        _, type_, field = random_.choice(places)
        type_.fields[f"{field.name} "] = Field(field.name, field.type)
    return bool(places)


# ---- keys


@breakage
def drop_a_key(random_: random.Random, services: list[Service]) -> bool:
    places = _keyed(services)
    if places:
        _, type_ = random_.choice(places)
        type_.directives.remove(random_.choice(type_.keys))
    return bool(places)


def _replace_key(random_: random.Random, services: list[Service], text: str) -> bool:
    places = _keyed(services)
    if places:
        _, type_ = random_.choice(places)
        type_.directives[type_.directives.index(random_.choice(type_.keys))] = text
    return bool(places)


@breakage
def key_of_an_unknown_field(random_: random.Random, services: list[Service]) -> bool:
    return _replace_key(random_, services, '@key(fields: "nowhere")')


@breakage
def key_that_is_no_selection(random_: random.Random, services: list[Service]) -> bool:
    return _replace_key(random_, services, '@key(fields: "id {")')


@breakage
def key_that_selects_below_a_leaf(random_: random.Random, services: list[Service]) -> bool:
    return _replace_key(random_, services, '@key(fields: "id { deep }")')


@breakage
def key_that_is_a_number(random_: random.Random, services: list[Service]) -> bool:
    return _replace_key(random_, services, "@key(fields: 1)")


@breakage
def key_that_can_not_be_resolved(random_: random.Random, services: list[Service]) -> bool:
    places = [(s, t) for s, t in _keyed(services) if s.version is not None]
    if places:
        _, type_ = random_.choice(places)
        type_.directives = [
            d.replace('")', '", resolvable: false)') if d.startswith("@key(") else d for d in type_.directives
        ]
    return bool(places)


@breakage
def key_through_an_argument(random_: random.Random, services: list[Service]) -> bool:
    places = [(s, t) for s, t in _keyed(services) if "id" in t.fields]
    if places:
        random_.choice(places)[1].fields["id"].arguments["as"] = Field("as", "String")
    return bool(places)


@breakage
def key_of_a_list(random_: random.Random, services: list[Service]) -> bool:
    places = [(s, t) for s, t in _keyed(services) if "id" in t.fields]
    if places:
        field = random_.choice(places)[1].fields["id"]
        field.type = f"[{field.type}]"
    return bool(places)


# ---- requires, provides, external


def _replace(
    random_: random.Random, services: list[Service], directive: str, text: str, *, anywhere: bool = True
) -> bool:
    places = _with(services, directive)
    if not places and anywhere:
        places = [p for p in _fields(services) if p[1].keys and p[0].version is not None]
    if places:
        field = random_.choice(places)[2]
        field.drop(directive)
        field.directives.append(text)
    return bool(places)


@breakage
def require_an_unknown_field(random_: random.Random, services: list[Service]) -> bool:
    return _replace(random_, services, "@requires", '@requires(fields: "nowhere")')


@breakage
def require_a_field_that_is_not_external(random_: random.Random, services: list[Service]) -> bool:
    return _replace(random_, services, "@requires", '@requires(fields: "id")')


@breakage
def require_no_selection(random_: random.Random, services: list[Service]) -> bool:
    return _replace(random_, services, "@requires", '@requires(fields: "}")')


@breakage
def provide_an_unknown_field(random_: random.Random, services: list[Service]) -> bool:
    return _replace(random_, services, "@provides", '@provides(fields: "nowhere")')


@breakage
def provide_below_a_leaf(random_: random.Random, services: list[Service]) -> bool:
    places = [p for p in _fields(services) if p[2].base == "String" and p[0].version is not None]
    if places:
        random_.choice(places)[2].directives.append('@provides(fields: "length")')
    return bool(places)


@breakage
def provide_a_field_that_is_not_external(random_: random.Random, services: list[Service]) -> bool:
    places = [p for p in _fields(services) if p[2].base.startswith("E") and p[0].version is not None]
    if places:
        service, _, field = random_.choice(places)
        target = service.types.get(field.base)
        if target is None:
            return False
        field.directives.append(f'@provides(fields: "{next(iter(target.fields))}")')
    return bool(places)


@breakage
def drop_external(random_: random.Random, services: list[Service]) -> bool:
    places = _with(services, "@external")
    if places:
        random_.choice(places)[2].drop("@external")
    return bool(places)


@breakage
def external_that_nothing_uses(random_: random.Random, services: list[Service]) -> bool:
    for service, type_ in random_.sample(_keyed(services), len(_keyed(services))):
        for other in services:
            found = other.types.get(type_.name)
            for field in found.fields.values() if found is not None else ():
                if field.name not in type_.fields and other is not service:
                    type_.fields[field.name] = Field(
                        field.name, field.type, dict(field.arguments), directives=["@external"]
                    )
                    return True
    return False


@breakage
def external_without_a_resolver(random_: random.Random, services: list[Service]) -> bool:
    places = _keyed(services)
    if places:
        type_ = random_.choice(places)[1]
        type_.fields["lost"] = Field("lost", "Int", directives=["@external"])
        type_.fields["found"] = Field("found", "Int", directives=['@requires(fields: "lost")'])
    return bool(places)


@breakage
def external_of_another_type(random_: random.Random, services: list[Service]) -> bool:
    places = _with(services, "@external")
    if places:
        random_.choice(places)[2].type = "[Boolean!]"
    return bool(places)


@breakage
def external_without_an_argument(random_: random.Random, services: list[Service]) -> bool:
    places = _with(services, "@external")
    if not places:
        return False
    service, type_, field = random_.choice(places)
    for other in services:
        found = other.types.get(type_.name)
        if other is not service and found is not None and field.name in found.fields:
            found.fields[field.name].arguments["more"] = Field("more", "Int")
    return True


# ---- override


def _owned(services: list[Service]) -> list[Place]:
    return [p for p in _fields(services) if p[0].version is not None and p[2].name.startswith("own")]


@breakage
def override_from_itself(random_: random.Random, services: list[Service]) -> bool:
    places = _owned(services)
    if places:
        service, _, field = random_.choice(places)
        field.directives.append(f'@override(from: "{service.name}")')
    return bool(places)


@breakage
def override_from_an_unknown_subgraph(random_: random.Random, services: list[Service]) -> bool:
    places = _owned(services)
    if places:
        random_.choice(places)[2].directives.append('@override(from: "unknown")')
    return bool(places)


@breakage
def override_each_other(random_: random.Random, services: list[Service]) -> bool:
    places = [p for p in _shared(services) if p[0].version is not None]
    for service, type_, field in random_.sample(places, len(places)):
        for other in _federation_2(services):
            found = other.types.get(type_.name)
            if other is not service and found is not None and field.name in found.fields:
                field.directives.append(f'@override(from: "{other.name}")')
                found.fields[field.name].directives.append(f'@override(from: "{service.name}")')
                return True
    return False


@breakage
def override_and_external(random_: random.Random, services: list[Service]) -> bool:
    places = [p for p in _with(services, "@external") if p[0].version is not None]
    if places:
        random_.choice(places)[2].directives.append(f'@override(from: "{services[0].name}")')
    return bool(places)


@breakage
def override_with_a_wrong_label(random_: random.Random, services: list[Service]) -> bool:
    places = [p for p in _owned(services) if p[0].version is not None and p[0].version >= (2, 7)]
    others = [s.name for s in services]
    if places:
        random_.choice(places)[2].directives.append(f'@override(from: "{random_.choice(others)}", label: "a b")')
    return bool(places)


# ---- enums, inputs, arguments


@breakage
def add_an_enum_value(random_: random.Random, services: list[Service]) -> bool:
    places = _types(services, "enum")
    if places:
        random_.choice(places)[1].values["MORE"] = []
    return bool(places)


@breakage
def rename_all_enum_values(random_: random.Random, services: list[Service]) -> bool:
    places = _types(services, "enum")
    if places:
        type_ = random_.choice(places)[1]
        type_.values = {f"X{name}": d for name, d in type_.values.items()}
    return bool(places)


@breakage
def require_an_input_field(random_: random.Random, services: list[Service]) -> bool:
    places = _types(services, "input")
    if places:
        random_.choice(places)[1].fields["must"] = Field("must", "Int!")
    return bool(places)


@breakage
def change_the_type_of_an_input_field(random_: random.Random, services: list[Service]) -> bool:
    places = _fields(services, "input")
    if places:
        field = random_.choice(places)[2]
        field.type, field.default = "[Mode2!]", None
        random_.choice(places)[0].type("enum", "Mode2").values = {"A": []}
        for service, type_, other in places:
            if other is field:
                service.type("enum", "Mode2").values = {"A": []}
                assert type_.fields
    return bool(places)


@breakage
def change_the_default_of_an_input_field(random_: random.Random, services: list[Service]) -> bool:
    places = [p for p in _fields(services, "input") if p[2].base == "Int"]
    if places:
        random_.choice(places)[2].default = "77"
    return bool(places)


@breakage
def require_an_argument(random_: random.Random, services: list[Service]) -> bool:
    places = list(_shared(services))
    if places:
        random_.choice(places)[2].arguments["need"] = Field("need", "Int!")
    return bool(places)


@breakage
def change_the_default_of_an_argument(random_: random.Random, services: list[Service]) -> bool:
    places = [p for p in _shared(services) if "arg" in p[2].arguments]
    if places:
        field = random_.choice(places)[2]
        old = field.arguments["arg"]
        field.arguments = {**field.arguments, "arg": Field("arg", old.type, default="42")}
    return bool(places)


@breakage
def change_the_type_of_an_argument(random_: random.Random, services: list[Service]) -> bool:
    places = [p for p in _shared(services) if "arg" in p[2].arguments]
    if places:
        field = random_.choice(places)[2]
        field.arguments = {**field.arguments, "arg": Field("arg", "String")}
    return bool(places)


@breakage
def give_an_argument_a_wrong_default(random_: random.Random, services: list[Service]) -> bool:
    places = [p for p in _fields(services) if p[2].arguments]
    if places:
        field = random_.choice(places)[2]
        name = next(iter(field.arguments))
        field.arguments = {**field.arguments, name: Field(name, field.arguments[name].type, default="{a: 1}")}
    return bool(places)


# ---- interfaces, unions, interface objects


@breakage
def drop_a_field_of_an_implementation(random_: random.Random, services: list[Service]) -> bool:
    places = [p for p in _fields(services) if p[1].interfaces]
    if places:
        _, type_, field = random_.choice(places)
        del type_.fields[field.name]
    return bool(places)


@breakage
def add_a_field_to_an_interface(random_: random.Random, services: list[Service]) -> bool:
    places = _types(services, "interface")
    if places:
        service, interface = random_.choice(places)
        interface.fields["added"] = Field("added", "Int")
        for type_ in service.objects():
            if interface.name in type_.interfaces:
                type_.fields["added"] = Field("added", "Int")
    return bool(places)


@breakage
def drop_the_key_of_an_implementation(random_: random.Random, services: list[Service]) -> bool:
    places = [t for _, t in _keyed(services) if "Media" in t.interfaces]
    if places:
        random_.choice(places).directives = []
    return bool(places)


@breakage
def drop_interface_object(random_: random.Random, services: list[Service]) -> bool:
    places = [t for _, t in _types(services, "type") if t.has("@interfaceObject")]
    if places:
        random_.choice(places).directives.remove("@interfaceObject")
    return bool(places)


@breakage
def interface_object_of_an_object(random_: random.Random, services: list[Service]) -> bool:
    places = [t for s, t in _keyed(services) if s.version is not None and s.version >= (2, 3) and t.name == "E0"]
    if places:
        random_.choice(places).directives.append("@interfaceObject")
    return bool(places)


@breakage
def implement_where_there_is_an_interface_object(random_: random.Random, services: list[Service]) -> bool:
    places = [(s, t) for s, t in _types(services, "type") if t.has("@interfaceObject")]
    if places:
        service, _ = random_.choice(places)
        made = service.type("type", "Book")
        made.directives = ['@key(fields: "id")']
        made.fields = {"id": Field("id", "ID!")}
    return bool(places)


@breakage
def put_a_scalar_into_a_union(random_: random.Random, services: list[Service]) -> bool:
    places = _types(services, "union")
    if places:
        random_.choice(places)[1].members.append("String")
    return bool(places)


@breakage
def drop_a_member_of_a_union(random_: random.Random, services: list[Service]) -> bool:
    places = [t for _, t in _types(services, "union") if len(t.members) > 1]
    if places:
        random_.choice(places).members.pop()
    return bool(places)


# ---- visibility, links, roots


@breakage
def hide_a_type(random_: random.Random, services: list[Service]) -> bool:
    places = [t for s, t in _types(services) if s.version is not None]
    if places:
        random_.choice(places).directives.append("@inaccessible")
    return bool(places)


@breakage
def hide_a_field(random_: random.Random, services: list[Service]) -> bool:
    places = [p for p in _fields(services, "type", "interface", "input") if p[0].version is not None]
    if places:
        random_.choice(places)[2].directives.append("@inaccessible")
    return bool(places)


@breakage
def hide_an_enum_value(random_: random.Random, services: list[Service]) -> bool:
    places = [t for s, t in _types(services, "enum") if s.version is not None]
    if places:
        type_ = random_.choice(places)
        type_.values[random_.choice(list(type_.values))].append("@inaccessible")
    return bool(places)


@breakage
def tag_with_a_wrong_name(random_: random.Random, services: list[Service]) -> bool:
    places = [p for p in _fields(services) if p[0].version is not None]
    if places:
        random_.choice(places)[2].directives.append('@tag(name: "a b!")')
    return bool(places)


@breakage
def apply_an_unknown_directive(random_: random.Random, services: list[Service]) -> bool:
    places = _fields(services)
    if places:
        random_.choice(places)[2].directives.append("@unheard")
    return bool(places)


@breakage
def import_what_there_is_not(random_: random.Random, services: list[Service]) -> bool:
    places = _federation_2(services)
    if places:
        random_.choice(places).imports.append(random_.choice(("@unheard", "key", "@context")))
    return bool(places)


@breakage
def link_an_unknown_version(random_: random.Random, services: list[Service]) -> bool:
    places = _federation_2(services)
    if places:
        random_.choice(places).version = (2, 99)
    return bool(places)


@breakage
def compose_an_unknown_directive(random_: random.Random, services: list[Service]) -> bool:
    places = [s for s in _federation_2(services) if s.version is not None and s.version >= (2, 1)]
    if places:
        name = random_.choice(("@unheard", "mark", "@key"))
        random_.choice(places).head.append(f'extend schema @composeDirective(name: "{name}")')
    return bool(places)


@breakage
def drop_all_queries(random_: random.Random, services: list[Service]) -> bool:
    for service in services:
        service.types.pop("Query", None)
        if not service.types:
            service.type("type", f"Only_{service.name}").fields["a"] = Field("a", "Int")
    return bool(services)


@breakage
def drop_a_root_field(random_: random.Random, services: list[Service]) -> bool:
    places = [p for p in _fields(services) if p[1].name == "Query" and len(p[1].fields) > 1]
    if places:
        _, type_, field = random_.choice(places)
        del type_.fields[field.name]
    return bool(places)


@breakage
def name_another_root(random_: random.Random, services: list[Service]) -> bool:
    places = [s for s in services if "Query" in s.types]
    if places:
        service = random_.choice(places)
        service.type("type", "Root").fields["root"] = Field("root", "Int")
        service.head.append("schema { query: Root }")
        if service.version is not None:
            service.head[-1] = "extend schema { query: Root }"
    return bool(places)


@breakage
def extend_an_undefined_type(random_: random.Random, services: list[Service]) -> bool:
    places = [t for _, t in _types(services, "type") if t.name not in ("Query", "Mutation", "Subscription")]
    if places:
        name = random_.choice(places).name
        for service in services:
            if name in service.types:
                service.types[name].extend = True
    return bool(places)


@breakage
def cut_the_text(random_: random.Random, services: list[Service]) -> bool:
    random_.choice(services).suffix = random_.choice(
        ("type Broken {", "}", 'type X { a: Int @tag(name: "x }', "query Q { a }")
    )
    return True


@breakage
def add_a_reserved_type(random_: random.Random, services: list[Service]) -> bool:
    service = random_.choice(services)
    service.type("type", "__Secret").fields["a"] = Field("a", "Int")
    return True


@breakage
def empty_a_type(random_: random.Random, services: list[Service]) -> bool:
    places = [t for _, t in _types(services, "type", "input") if t.fields]
    if places:
        random_.choice(places).fields.clear()
    return bool(places)


@breakage
def drop_a_service(random_: random.Random, services: list[Service]) -> bool:
    if len(services) > 2:
        services.remove(random_.choice(services))
        return True
    return False


@breakage
def name_a_service_wrongly(random_: random.Random, services: list[Service]) -> bool:
    random_.choice(services).name = random_.choice(("__", "_entities", "", "a b", "A-1"))
    return True


def broken(seed: int, services: list[Service], ways: Sequence[str] | None = None) -> str | None:
    """Break the set in one of the ways that fits it, drawn at random; the way's name, None if none fits."""
    random_ = random.Random(f"break {seed}")
    names = list(ways or BREAKAGES)
    random_.shuffle(names)
    return next((name for name in names if BREAKAGES[name](random_, services)), None)
