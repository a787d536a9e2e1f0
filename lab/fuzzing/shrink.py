"""A failing `Case` -> a smaller one that fails the same way: first the operation, then the graph."""

import asyncio
import copy
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from graphql import (
    DocumentNode,
    FieldDefinitionNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    OperationDefinitionNode,
    UnionTypeDefinitionNode,
    parse,
    print_ast,
)
from graphql.language import REMOVE, Visitor, visit

from lab.fuzzing.compare import Mismatch
from lab.fuzzing.graph import Graph
from lab.fuzzing.pair import Arena, Case, Outcome, Refused


def kind_of(problem: str) -> str:
    """Part of a problem that stays while its case gets smaller: its first words, without names and numbers."""
    return re.split(r"[:\[({'\d]", problem)[0].strip() + ("" if "complains" not in problem else " complains")


async def outcome_of(case: Case) -> Outcome:
    """One case from scratch."""
    try:
        arena = Arena(case.graph)
    except Refused:
        return Outcome(skipped=True)
    except Mismatch as mismatch:
        return Outcome(str(mismatch))
    except (GraphQLError, TypeError, KeyError, AttributeError) as error:
        return Outcome(f"the graph can't be read: {error}", skipped=True)
    return await arena.run(case.document, case.variables, case.trouble)


def shrink(case: Case, problem: str, seconds: float = 60.0) -> Case:
    """The smallest case found within the time. Deterministic but for the time."""
    until, wanted = time.monotonic() + seconds, kind_of(problem)

    def fails(candidate: Case) -> bool:
        if time.monotonic() > until:
            return False
        try:
            outcome = asyncio.run(outcome_of(candidate))
        except Exception:  # a candidate that can't even be run isn't smaller
            return False
        return not outcome.skipped and bool(outcome.problem) and kind_of(outcome.problem) == wanted

    before = None
    while before != case and time.monotonic() < until:
        before = case
        for step in (_smaller_trouble, _smaller_document, _smaller_graph):
            case = _greedily(case, step, fails)
    return case


def _greedily(case: Case, step: Callable[[Case], Iterator[Case]], fails: Callable[[Case], bool]) -> Case:
    progress = True
    while progress:
        progress = False
        for candidate in step(case):
            if fails(candidate):
                case, progress = candidate, True
                break
    return case


def _smaller_trouble(case: Case) -> Iterator[Case]:
    trouble = case.trouble
    for name in ("nulls", "errors", "broken", "unknown"):
        if getattr(trouble, name):
            cleared: dict[str, Any] = {name: 0}
            yield replace(case, trouble=replace(trouble, **cleared))
    for index in range(len(trouble.failing)):
        yield replace(case, trouble=replace(trouble, failing=trouble.failing[:index] + trouble.failing[index + 1 :]))


class _Without(Visitor):
    """Removes the node that is the n-th of its kind, or puts a fragment's content in its place."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.left = index
        self.done = False

    def _count(self) -> bool:
        self.left -= 1
        self.done |= self.left < 0
        return self.left == -1


class _WithoutSelection(_Without):
    def enter_selection_set(self, node: Any, *_: Any) -> Any:
        kept = []
        for one in node.selections:
            if len(node.selections) > 1 and self._count():
                continue
            if getattr(one, "selection_set", None) is not None and not isinstance(one, FieldNode) and self._count():
                kept += one.selection_set.selections
                continue
            if one.directives and self._count():
                one = replace(one, directives=())
            if isinstance(one, FieldNode) and one.alias is not None and self._count():
                one = replace(one, alias=None)
            if isinstance(one, FieldNode) and one.arguments and self._count():
                one = replace(one, arguments=())
            kept.append(one)
        return replace(node, selections=tuple(kept))


def _tidy(document: DocumentNode) -> DocumentNode:
    """Without fragments and variables that nothing uses any more."""
    while True:
        text = print_ast(document)
        kept: list[Any] = []
        for node in document.definitions:
            if isinstance(node, FragmentDefinitionNode) and not re.search(rf"\.\.\.{node.name.value}\b", text):
                continue
            if isinstance(node, OperationDefinitionNode):
                used = [
                    v
                    for v in node.variable_definitions or ()
                    if len(re.findall(rf"\${v.variable.name.value}\b", text)) > 1
                ]
                node = replace(node, variable_definitions=tuple(used))
            kept.append(node)
        tidied = replace(document, definitions=tuple(kept))
        if print_ast(tidied) == text:
            return tidied
        document = tidied


def _smaller_document(case: Case) -> Iterator[Case]:
    document = parse(case.document, no_location=True)
    index = 0
    while True:
        visitor = _WithoutSelection(index)
        changed = visit(document, visitor)
        if not visitor.done:
            return
        index += 1
        text = print_ast(_tidy(changed))
        if text == case.document:
            continue
        names = {v for v in case.variables if re.search(rf"\${v}\b", text)}
        yield replace(case, document=text, variables={n: copy.copy(v) for n, v in case.variables.items() if n in names})


def _smaller_graph(case: Case) -> Iterator[Case]:
    graph = case.graph
    for name in graph.subgraphs:
        if len(graph.subgraphs) > 1 and not graph.supergraph:
            yield replace(case, graph=Graph(graph.monolith, {n: s for n, s in graph.subgraphs.items() if n != name}))
    documents = {name: parse(sdl, no_location=True) for name, sdl in graph.subgraphs.items()}
    whole = parse(graph.monolith, no_location=True)
    # Types and fields that the monolith has, everywhere; then the declarations of single subgraphs.
    for type_name in [d.name.value for d in whole.definitions if hasattr(d, "name") and d.name.value != "Query"]:
        yield replace(case, graph=_without(graph, type_name, None))
    for node in whole.definitions:
        if isinstance(node, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
            for field in node.fields or ():
                yield replace(case, graph=_without(graph, node.name.value, field.name.value))
    for name, document in documents.items():
        if graph.supergraph:
            return  # a single subgraph's declarations would contradict it
        for node in document.definitions:
            if isinstance(node, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
                for target in (None, *(f.name.value for f in node.fields or ())):
                    smaller = _drop(document, node.name.value, target)
                    yield replace(case, graph=Graph(graph.monolith, graph.subgraphs | {name: print_ast(smaller)}))


def _without(graph: Graph, type_name: str, field: str | None) -> Graph:
    def dropped(text: str) -> str:
        return print_ast(_drop(parse(text, no_location=True), type_name, field)) if text else ""

    texts = {name: dropped(text) for name, text in graph.subgraphs.items()}
    return Graph(dropped(graph.monolith), texts, dropped(graph.supergraph))


def _drop(document: DocumentNode, type_name: str, field: str | None) -> DocumentNode:
    class Drop(Visitor):
        def _type(self, node: Any, *_: Any) -> Any:
            if field is None:
                if node.name.value == type_name:
                    return REMOVE
                kept = tuple(i for i in node.interfaces or () if i.name.value != type_name)
                return replace(node, interfaces=kept) if len(kept) < len(node.interfaces or ()) else None
            if node.name.value == type_name:
                left = tuple(f for f in node.fields or () if f.name.value != field)
                return replace(node, fields=left) if left else REMOVE
            return None

        enter_object_type_definition = enter_interface_type_definition = _type
        enter_object_type_extension = enter_interface_type_extension = _type

        def enter_union_type_definition(self, node: UnionTypeDefinitionNode, *_: Any) -> Any:
            if field is not None:
                return None
            left = tuple(t for t in node.types or () if t.name.value != type_name)
            return replace(node, types=left) if left and node.name.value != type_name else REMOVE

        def enter_field_definition(self, node: FieldDefinitionNode, *_: Any) -> Any:
            type_: Any = node.type
            while hasattr(type_, "type"):
                type_ = type_.type
            return REMOVE if field is None and type_.name.value == type_name else None

    made: DocumentNode = visit(document, Drop())
    return made
