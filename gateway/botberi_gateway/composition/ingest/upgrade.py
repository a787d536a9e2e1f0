"""Federation 1 subgraphs among all subgraphs -> the same in the terms of federation 2."""

from collections.abc import Iterator, Sequence

from graphql import (
    ConstArgumentNode,
    ConstDirectiveNode,
    FieldNode,
    InlineFragmentNode,
    NameNode,
    SelectionNode,
    SelectionSetNode,
    StringValueNode,
    print_ast,
)

from botberi_gateway.composition.ingest.usage import note_usage, selected
from botberi_gateway.composition.problem import Problem, place, places
from botberi_gateway.composition.subgraph import Applied, FieldDef, SubgraphSchema, TypeDef, base_name
from botberi_gateway.federation import FieldSetSyntaxError, parse_field_set

_ROOTS = frozenset({"Query", "Mutation", "Subscription"})


def upgrade(schemas: Sequence[SubgraphSchema]) -> list[Problem]:
    """Changes the federation 1 schemas in place. `note_usage` has to be called for them before and after."""
    problems: list[Problem] = []
    old = [s for s in schemas if not s.is_federation_2]
    problems += _interface_objects_without_help(schemas)
    for schema in old:
        schema.was_upgraded = True
        problems += _extensions_without_base(schema, schemas)
        _join_lists_of_fields(schema)
        _own_key_fields(schema, schemas)
    for schema in old:
        _clear_types(schema)
        _drop_inactive_field_sets(schema)
        note_usage(schema)
        problems += list(_drop_unused_externals(schema))
    for schema in old:
        _drop_tags_on_externals(schema, schemas)
        note_usage(schema)
    shared = {s.name: list(_shared_elements(s, schemas)) for s in old}
    for elements in shared.values():
        for element in elements:
            if isinstance(element, TypeDef):
                for on_extension in (
                    {field.on_extension for field in element.fields.values()} if not element.defined else {False}
                ):
                    if not any(a.on_extension is on_extension for a in element.applied("shareable")):
                        element.directives.append(
                            Applied("shareable", _SHAREABLE, federation=True, on_extension=on_extension)
                        )
            elif not element.has("shareable"):
                element.directives.append(Applied("shareable", _SHAREABLE, federation=True))
    return problems


def _is_extension(type_: TypeDef) -> bool:
    return type_.kind in ("OBJECT", "INTERFACE") and (not type_.defined or type_.has("extends"))


def _extensions_without_base(schema: SubgraphSchema, schemas: Sequence[SubgraphSchema]) -> Iterator[Problem]:
    for type_ in schema.composites():
        if not _is_extension(type_) or type_.name in _ROOTS:
            continue
        if not any(s is not schema and type_.name in s.types and s.types[type_.name].defined for s in schemas):
            yield Problem(
                "EXTENSION_WITH_NO_BASE",
                f'[{schema.name}] "{type_.name}" is extended here, but defined in no subgraph.',
                place(schema.name, type_.node),
            )


def _interface_objects_without_help(schemas: Sequence[SubgraphSchema]) -> Iterator[Problem]:
    """`INTERFACE_OBJECT_USAGE_ERROR` of interfaces whose key is of federation 1, where another subgraph has an object.

    Such a key can't be used to ask for the concrete types of objects, which an `@interfaceObject` depends on.
    """
    for schema in schemas:
        for type_ in schema.types.values() if not schema.is_federation_2 else ():
            if type_.kind != "INTERFACE" or not type_.keys:
                continue
            objects = [s for s in schemas if type_.name in s.types and s.types[type_.name].is_interface_object]
            if objects:
                listing = ", ".join(f'"{s.name}"' for s in objects)
                yield Problem(
                    "INTERFACE_OBJECT_USAGE_ERROR",
                    f'[{schema.name}] "{type_.name}" is an @interfaceObject in {listing}, but its @key here is of '
                    "federation 1, where keys of interfaces do nothing: "
                    "upgrade this subgraph to federation 2, or remove the key.",
                    places([(schema.name, type_.node), *((s.name, s.types[type_.name].node) for s in objects)]),
                )


def _join_lists_of_fields(schema: SubgraphSchema) -> None:
    """`fields: ["id", "name"]` was taken for `"id name"`, and `fields: id` for `"id"`."""
    for type_ in schema.composites():
        for element in (type_, *type_.fields.values()):
            for applied in element.directives:
                if applied.federation and applied.name in ("key", "requires", "provides"):
                    fields = applied.arguments.get("fields")
                    if isinstance(fields, str) and applied.field_set() is None:
                        fields = [fields]
                    if isinstance(fields, list) and all(isinstance(text, str) for text in fields):
                        applied.node = _with_fields(applied.node, " ".join(fields))


_SHAREABLE = ConstDirectiveNode(name=NameNode(value="shareable"), arguments=())


def _own_key_fields(schema: SubgraphSchema, schemas: Sequence[SubgraphSchema]) -> None:
    """The fields of an extension's keys aren't external. If it has none, the first key of the type's owner counts."""
    for type_ in schema.composites():
        if not _is_extension(type_):
            continue
        texts = [key.field_set() for key in type_.keys]
        if not texts:
            owners = (s.types[type_.name] for s in schemas if s is not schema and type_.name in s.types)
            texts = [t.keys[0].field_set() for t in owners if t.keys and t.defined and not t.has("extends")]
        for text in texts:
            for owner, field in selected(schema, type_, text):
                if owner is type_:
                    field.drop("external")


def _clear_types(schema: SubgraphSchema) -> None:
    """Drops directives that federation 1 accepted at places where it gave them no meaning."""
    for type_ in schema.types.values():
        if type_.kind == "OBJECT":
            type_.drop("external")
        if type_.kind == "INTERFACE":
            type_.drop("key")
            for field in type_.fields.values():
                for name in ("external", "requires", "provides"):
                    field.drop(name)


def _drop_inactive_field_sets(schema: SubgraphSchema) -> None:
    """Drops the leaves of a @provides or @requires that aren't @external, as they have no effect."""
    for type_ in schema.objects():
        for field in type_.fields.values():
            for applied in list(field.directives):
                if not applied.federation or applied.name not in ("provides", "requires"):
                    continue
                target = type_ if applied.name == "requires" else schema.types.get(base_name(field.type))
                text = applied.field_set()
                if target is None or target.kind in ("SCALAR", "ENUM"):
                    field.directives.remove(applied)
                    continue
                if text is None:
                    continue
                try:
                    selection = parse_field_set(text)
                except FieldSetSyntaxError:
                    continue
                kept = _active(schema, target, selection, external=False)
                if kept is None:
                    field.directives.remove(applied)
                elif kept != selection:
                    applied.node = _with_fields(applied.node, print_ast(kept).strip()[1:-1])


def _with_fields(node: ConstDirectiveNode, text: str) -> ConstDirectiveNode:
    value = StringValueNode(value=" ".join(text.split()), block=False)
    argument = ConstArgumentNode(name=NameNode(value="fields"), value=value)
    return ConstDirectiveNode(name=node.name, arguments=(argument,), loc=node.loc)


def _active(
    schema: SubgraphSchema, type_: TypeDef, node: SelectionSetNode, *, external: bool
) -> SelectionSetNode | None:
    kept: list[SelectionNode] = []
    for selection in node.selections:
        if isinstance(selection, InlineFragmentNode):
            condition = selection.type_condition
            target = schema.types.get(condition.name.value) if condition else type_
            inner = _active(schema, target, selection.selection_set, external=external) if target else None
            if inner is not None:
                kept.append(InlineFragmentNode(type_condition=condition, directives=(), selection_set=inner))
        elif isinstance(selection, FieldNode):
            if selection.name.value == "__typename" and not external:
                continue  # each subgraph knows it itself
            field = type_.fields.get(selection.name.value)
            if field is None or selection.selection_set is None:
                if field is None or external or _is_external_somewhere(schema, type_, field):
                    kept.append(selection)
                elif (leaf := schema.types.get(base_name(field.type))) is not None and leaf.kind not in (
                    "SCALAR",
                    "ENUM",
                ):
                    kept.append(selection)  # it lacks a selection, which the rules report
                continue
            target = schema.types.get(base_name(field.type))
            here = external or _is_external_somewhere(schema, type_, field)
            inner = _active(schema, target, selection.selection_set, external=here) if target else None
            if inner is not None:
                kept.append(
                    FieldNode(
                        name=selection.name,
                        alias=selection.alias,
                        arguments=selection.arguments,
                        directives=selection.directives,
                        selection_set=inner,
                    )
                )
    return SelectionSetNode(selections=tuple(kept)) if kept else None


def _is_external_somewhere(schema: SubgraphSchema, type_: TypeDef, field: FieldDef) -> bool:
    if type_.kind == "INTERFACE":
        return any(
            schema.is_external(t, t.fields[field.name])
            for name in schema.possible_types(type_.name)
            if field.name in (t := schema.types[name]).fields
        )
    return schema.is_external(type_, field)


def _drop_unused_externals(schema: SubgraphSchema) -> Iterator[Problem]:
    emptied = []
    for type_ in schema.objects():
        for field in list(type_.fields.values()):
            if schema.is_external(type_, field) and (type_.name, field.name) not in schema.used:
                del type_.fields[field.name]
                if not type_.fields and type_.name not in emptied:
                    emptied.append(type_.name)
    for name in emptied:
        type_ = schema.types[name]
        if _is_referenced(schema, name):
            yield Problem(
                "TYPE_WITH_ONLY_UNUSED_EXTERNAL",
                f'[{schema.name}] All fields of "{name}" are @external and unused, but the type is referred to: '
                "remove the references, or use the fields.",
                place(schema.name, type_.node),
            )
        else:
            del schema.types[name]


def _is_referenced(schema: SubgraphSchema, name: str) -> bool:
    for type_ in schema.types.values():
        if name in type_.members or any(base_name(f.type) == name for f in type_.fields.values()):
            return True
    return False


def _drop_tags_on_externals(schema: SubgraphSchema, schemas: Sequence[SubgraphSchema]) -> None:
    """Drops tags of an external field that it also has where it is resolved. The others stay, and are reported."""
    for type_ in schema.composites():
        for field in type_.fields.values():
            if not field.has("external"):
                continue
            elsewhere = {
                str(applied.arguments)
                for other in schemas
                if other is not schema
                and (owner := other.types.get(type_.name)) is not None
                and (same := owner.fields.get(field.name)) is not None
                and not same.has("external")
                for applied in same.applied("tag")
            }
            field.directives = [
                d for d in field.directives if not (d.federation and d.name == "tag" and str(d.arguments) in elsewhere)
            ]


def _shared_elements(schema: SubgraphSchema, schemas: Sequence[SubgraphSchema]) -> Iterator[TypeDef | FieldDef]:
    """Elements that federation 1 shared without a directive: value types, and fields that others resolve too."""
    others = [s for s in schemas if s is not schema]
    for type_ in schema.objects():
        if type_.name == "Subscription":
            continue
        if type_.keys or type_.name in _ROOTS:
            for field in type_.fields.values():
                if (type_.name, field.name) in schema.key_fields:
                    continue
                if any(_resolves(s, type_.name, field.name) for s in others):
                    yield field
        elif any(type_.name in s.types for s in others):
            yield type_


def _resolves(schema: SubgraphSchema, type_name: str, name: str) -> bool:
    type_ = schema.types.get(type_name)
    field = type_.fields.get(name) if type_ is not None else None
    if type_ is None or field is None:
        return False
    return not schema.is_external(type_, field) or (type_name, name) in schema.provided
