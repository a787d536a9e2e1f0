"""Field sets of a subgraph -> which fields are keys, provided, used; what later rules and merging ask."""

from collections.abc import Iterator

from graphql import FieldNode, InlineFragmentNode, SelectionSetNode

from botberi_gateway.composition.subgraph import FieldDef, SubgraphSchema, TypeDef, base_name
from botberi_gateway.federation import FieldSetSyntaxError, parse_field_set


def note_usage(schema: SubgraphSchema) -> None:
    """Fill `key_fields`, `fake_external`, `provided` and `used`."""
    schema.key_fields.clear()
    schema.fake_external.clear()
    schema.provided.clear()
    schema.used.clear()
    for type_ in schema.composites():
        extends = type_.has("extends")
        for key in type_.keys:
            for owner, field in selected(schema, type_, key.field_set()):
                place = (owner.name, field.name)
                schema.key_fields.add(place)
                schema.used.add(place)
                if (key.on_extension or extends) and (field.has("external") or owner.has("external")):
                    schema.fake_external.add(place)
        for field in type_.fields.values():
            for requires in field.applied("requires"):
                schema.used.update((t.name, f.name) for t, f in selected(schema, type_, requires.field_set()))
            for provides in field.applied("provides"):
                target = schema.types.get(base_name(field.type))
                if target is not None:
                    fields = {(t.name, f.name) for t, f in selected(schema, target, provides.field_set())}
                    schema.used |= fields
                    schema.provided |= fields
            for argument in field.arguments.values():
                for context in argument.applied("fromContext"):
                    _note_context(schema, context.text("field"))
    for type_ in schema.composites():
        for interface in type_.interfaces:
            implemented = schema.types.get(interface)
            if implemented is not None:
                schema.used.update((type_.name, name) for name in implemented.fields)


def _note_context(schema: SubgraphSchema, text: str | None) -> None:
    if not text or "{" not in text:
        return
    context, _, selection = text.strip().removeprefix("$").partition("{")
    body = "{" + selection
    for type_ in schema.types.values():
        if any(c.text("name") == context.strip() for c in type_.applied("context")):
            schema.used.update((t.name, f.name) for t, f in selected(schema, type_, body))


def selected(schema: SubgraphSchema, type_: TypeDef, text: str | None) -> Iterator[tuple[TypeDef, FieldDef]]:
    """Every field that a field set selects, with the type that has it, past those that aren't there.

    A field of an interface counts for the types that implement it as well.
    """
    if text is None:
        return
    try:
        selection = parse_field_set(text)
    except FieldSetSyntaxError:
        return
    yield from _selected(schema, type_, selection)


def _selected(schema: SubgraphSchema, type_: TypeDef, node: SelectionSetNode) -> Iterator[tuple[TypeDef, FieldDef]]:
    for selection in node.selections:
        if isinstance(selection, InlineFragmentNode):
            condition = selection.type_condition
            target = schema.types.get(condition.name.value) if condition else type_
            if target is not None:
                yield from _selected(schema, target, selection.selection_set)
        elif isinstance(selection, FieldNode):
            field = type_.fields.get(selection.name.value)
            if field is None:
                continue  # `__typename`, or none of the type's: a rule says so, and the others are used all the same
            yield type_, field
            if type_.kind == "INTERFACE":
                for name in schema.possible_types(type_.name):
                    implementation = schema.types[name]
                    if field.name in implementation.fields:
                        yield implementation, implementation.fields[field.name]
            if selection.selection_set:
                target = schema.types.get(base_name(field.type))
                if target is not None:
                    yield from _selected(schema, target, selection.selection_set)
