"""Plan nodes -> the text form of Apollo's query plans."""

from collections.abc import Iterable, Iterator

from graphql import FieldNode, OperationDefinitionNode, parse, print_ast

from botberi_gateway.plan.nodes import (
    Condition,
    Defer,
    DeferredPart,
    EventTrigger,
    Fetch,
    KeyField,
    KeySelection,
    ListItems,
    Parallel,
    Path,
    PlanNode,
    Representation,
    Sequence,
    Subscription,
)


def plan_text(node: "PlanNode | Subscription | None") -> str:
    """`QueryPlan { … }`."""
    if node is None:
        return "QueryPlan {}"
    return "\n".join(["QueryPlan {", *_indent(_lines(node)), "}"])


def path_text(path: Path) -> tuple[str, ...]:
    """`("feed", "@|[Post,Video]")`: `@` for list items, type conditions after what they narrow."""
    result: list[str] = []
    for element in path:
        if isinstance(element, str):
            result.append(element)
        elif isinstance(element, ListItems):
            result.append("@")
        else:
            condition = f"|[{','.join(sorted(element.types))}]"
            if result:
                result[-1] += condition
            else:
                result.append(condition)
    return tuple(result)


def selections_by_key(fetch: Fetch) -> dict[str, list[str]]:
    """Lines of the selection set of each field at the root of the operation.

    Of the whole operation under the key "" too.
    """
    definition = parse(fetch.operation, no_location=True).definitions[0]
    assert isinstance(definition, OperationDefinitionNode)
    bodies = {"": print_ast(definition.selection_set).splitlines()}
    for field in definition.selection_set.selections:
        if isinstance(field, FieldNode) and field.selection_set is not None:
            key = field.alias.value if field.alias else field.name.value
            bodies[key] = print_ast(field.selection_set).splitlines()
    return bodies


def _indent(lines: Iterable[str]) -> Iterator[str]:
    return ("  " + line for line in lines)


def _block(head: str, nodes: "tuple[PlanNode, ...]") -> Iterator[str]:
    yield head + " {"
    for node in nodes:
        *lines, last = _lines(node)
        yield from _indent([*lines, last + ","])
    yield "}"


def _lines(node: "PlanNode | Subscription") -> Iterator[str]:
    match node:
        case Fetch():
            yield from _fetch(node)
        case Sequence(nodes):
            yield from _block("Sequence", nodes)
        case Parallel(nodes):
            yield from _block("Parallel", nodes)
        case Condition(variable, if_true, if_false):
            if if_true is not None:
                yield f"Include(if: ${variable}) {{"
                yield from _indent(_lines(if_true))
                yield "}"
            if if_false is not None:
                yield f"Skip(if: ${variable}) {{"
                yield from _indent(_lines(if_false))
                yield "}"
        case Defer(primary, parts):
            yield "Defer {"
            yield "  Primary {"
            if primary is not None:
                yield from _indent(list(_indent(_lines(primary))))
            yield "  }, ["
            for part in parts:
                yield from _indent(list(_indent(_part(part))))
            yield "  ]"
            yield "}"
        case Subscription(primary, rest):
            yield "Subscription {"
            yield "  Primary: {"
            lines = list(_event(primary)) if isinstance(primary, EventTrigger) else list(_fetch(primary))
            yield from _indent(list(_indent(lines)))
            yield "  },"
            if rest is not None:
                yield "  Rest: {"
                yield from _indent(list(_indent(_lines(rest))))
                yield "  },"
            yield "}"


def _part(part: DeferredPart) -> Iterator[str]:
    facts = [f"depends: [{', '.join(map(str, part.depends))}]", f'path: "{".".join(path_text(part.path))}"']
    facts += [f'label: "{part.label}"'] if part.label is not None else []
    facts += [f"if: ${part.variable}"] if part.variable is not None else []
    yield f"Deferred({', '.join(facts)}) {{"
    yield from _indent(part.selection.splitlines())
    if part.node is None:
        yield "},"
    else:
        yield "} => {"
        yield from _indent(_lines(part.node))
        yield "},"


def _event(event: EventTrigger) -> Iterator[str]:
    where = f", where: [{', '.join(event.where)}]" if event.where else ""
    yield f"Event(topics: [{', '.join(event.topics)}]{where}) {{"
    if event.feed is not None:
        yield from _indent(event.feed.document.splitlines())
        yield "}"
        return
    sources = dict(event.key_sources)
    keys = (key if key == name else f"{key}: {name}" for name in event.key_fields for key in sources.get(name, (name,)))
    yield f"  {event.response_key}: {event.type_name} {{ {' '.join(keys)} }}"
    yield "}"


def _fetch(fetch: Fetch) -> Iterator[str]:
    bodies = selections_by_key(fetch)
    head = f'Fetch(service: "{fetch.subgraph}")'
    if not fetch.entities:
        lines = [head + " {", *_indent(bodies[""]), "}"]
        yield from _flattened(fetch.path, lines) if fetch.path else lines
        return
    if len(fetch.entities) == 1 and len(fetch.entities[0].paths) == 1:
        entities = fetch.entities[0]
        body = [*_representations(entities.representations), *bodies[entities.response_key]]
        yield from _flattened(entities.paths[0], [head + " {", *_indent(body), "}"])
        return
    yield "Batch" + head + " {"
    for entities in fetch.entities:
        paths = ", ".join(f'"{".".join(path_text(path))}"' for path in entities.paths)
        body = [*_representations(entities.representations), *bodies[entities.response_key]]
        yield from _indent([f"Entities(paths: [{paths}]) {{", *_indent(body), "},"])
    yield "}"


def _flattened(path: Path, lines: list[str]) -> Iterator[str]:
    yield f'Flatten(path: "{".".join(path_text(path))}") {{'
    *head_lines, last = lines
    yield from _indent([*head_lines, last + ","])
    yield "}"


def _representations(representations: tuple[Representation, ...]) -> Iterator[str]:
    yield "{"
    for representation in representations:
        yield f"  ... on {representation.typename or ' | '.join(sorted(representation.types))} {{"
        yield "    __typename"
        yield from _indent(list(_indent(_keys(representation.selections))))
        yield "  }"
    yield "} =>"


def _keys(selections: tuple[KeySelection, ...]) -> Iterator[str]:
    for selection in selections:
        if isinstance(selection, KeyField):
            name = selection.name if selection.name == selection.source else f"{selection.name}: {selection.source}"
            yield name + (" {" if selection.selections else "")
        else:
            yield f"... on {' | '.join(sorted(selection.types))} {{"
        if selection.selections:
            yield from _indent(_keys(selection.selections))
            yield "}"
