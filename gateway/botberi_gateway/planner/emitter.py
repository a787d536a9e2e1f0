"""Fetch groups -> plan nodes: each request becomes a `Fetch`, and what is deferred is set aside for `Defer`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from graphql import DirectiveNode, print_ast

from botberi_gateway.operation import Operation
from botberi_gateway.plan import (
    Condition,
    Fetch,
    OperationKind,
    OperationPart,
    OperationParts,
    Path,
    PlanNode,
    TypeCondition,
)
from botberi_gateway.planner.arrange import arrange
from botberi_gateway.planner.conditions import VariableCondition, in_order
from botberi_gateway.planner.document import Printer, definition_text, document
from botberi_gateway.planner.entities import EntityFields, entities_of
from botberi_gateway.planner.fetch_graph import FetchGroup, Selection, release
from botberi_gateway.planner.request import Request, conditions_of_root_fields, requests_of
from botberi_gateway.planner.variables import variables_of
from botberi_gateway.query_graph import QueryGraph

#: Fields that the reason of a fetch names: a reader learns little from more.
MAX_NAMED_FIELDS: Final = 8
_NOT_A_NAME: Final = re.compile(r"\W")


@dataclass(slots=True)
class DeferredNodes:
    """Nodes that run when the fetches `depends` (by their ids) have ended."""

    nodes: list[PlanNode] = field(default_factory=list)
    depends: dict[int, None] = field(default_factory=dict)


class Emitter:
    """Makes the nodes of one plan; numbers fetches in the order of their steps."""

    def __init__(self, graph: QueryGraph, operation: Operation) -> None:
        self.graph = graph
        self.operation = operation
        #: What is deferred, by the `@defer`s that it stands under.
        self.deferred: dict[frozenset[int], DeferredNodes] = {}
        self._count = 0
        self._groups: list[FetchGroup] = []
        self._client_variables = frozenset(v.variable.name.value for v in operation.variable_definitions)

    def node(self, groups: list[FetchGroup], kind: OperationKind) -> PlanNode | None:
        """The node that makes the requests for these groups, but for those that are deferred.

        They are kept in `deferred`.
        """
        self._groups += groups
        requests = requests_of(groups)
        nodes = {request: self._conditional(request, kind) for request in requests}
        for defers in dict.fromkeys(request.defers for request in requests if request.defers):
            self._set_aside(defers, [request for request in requests if request.defers == defers], nodes)
        return arrange([request for request in requests if not request.defers], nodes)

    def finish(self) -> None:
        """All nodes are made: release the groups that they were made of."""
        release(self._groups)

    def _set_aside(self, defers: frozenset[int], requests: list[Request], nodes: dict[Request, PlanNode]) -> None:
        """Keep requests in `deferred`."""
        deferred = self.deferred.setdefault(defers, DeferredNodes())
        node = arrange(requests, nodes)
        assert node is not None
        deferred.nodes.append(node)
        inside = set(requests)
        needed = {need.number for request in requests for need in request.needs if need not in inside}
        deferred.depends.update(dict.fromkeys(sorted(needed)))

    def _conditional(self, request: Request, kind: OperationKind) -> PlanNode:
        """The request's fetch, within its conditions."""
        node: PlanNode = self._fetch(request, kind)
        for variable, value in reversed(in_order(request.conditions.variables)):
            node = Condition(variable, if_true=node) if value else Condition(variable, if_false=node)
        return node

    def _fetch(self, request: Request, kind: OperationKind) -> Fetch:
        printer = Printer(self.graph)
        request.number = self._count
        self._count += 1
        first = request.groups[0]
        path = _path_of(first) if request.kind == "root" else ()
        entity_fields = EntityFields()
        if request.kind == "root":
            if path:
                kind = "mutation" if self.graph.roots["mutation"] in first.types else "query"
            text, selections = printer.selection(first.selection, implied=request.conditions)
        else:
            kind = "query"
            entity_fields = entities_of(request, printer, self._client_variables)
            text = " ".join(entity_fields.texts)
            selections = tuple(entity_fields.selections)
        parts = self._parts(request, kind, entity_fields, printer)
        return Fetch(
            id=request.number,
            subgraph=self.graph.graphs[request.graph].name,
            operation=document(parts.head, ("".join(part.texts) for part in parts.definitions), parts.directives, text),
            selections=selections,
            kind=kind,
            operation_name=self._name(request),
            variables=tuple(
                v.variable.name.value
                for v in self.operation.variable_definitions
                if v.variable.name.value in printer.variables
            ),
            entities=tuple(entity_fields.entities),
            renames=tuple(printer.renames),
            reasons=_reasons(request),
            path=path,
            only_if=_only_if(request),
            parts=parts if entity_fields.has_contexts else None,
        )

    def _parts(
        self, request: Request, kind: OperationKind, entity_fields: EntityFields, printer: Printer
    ) -> OperationParts:
        """The texts of the operation. Notes variables of the operation's directives in `printer`."""
        directives = self._directives(kind)
        directive_variables = frozenset(variables_of(directives))
        printer.variables.update(dict.fromkeys(sorted(directive_variables)))
        owners = [part.owner for part in entity_fields.fields]
        added = {
            entities.variable: ("[_Any!]!", owner)
            for entities, owner in zip(entity_fields.entities, owners, strict=True)
        }
        for entities, owner in zip(entity_fields.entities, owners, strict=True):
            added |= {value.variable: (value.type, owner) for value in entities.contexts}
        name = self._name(request)
        return OperationParts(
            head=kind if name is None else f"{kind} {name}",
            definitions=(
                *(
                    OperationPart(
                        (f"${variable}", f": {type_name}") if owner is not None else (f"${variable}: {type_name}",),
                        owner,
                        frozenset((variable,)),
                    )
                    for variable, (type_name, owner) in added.items()
                ),
                *(
                    OperationPart((definition_text(node),), None, frozenset((node.variable.name.value,)))
                    for node in (self.operation.variable_definitions if printer.variables else ())
                    if node.variable.name.value in printer.variables
                ),
            ),
            directives="".join(" " + print_ast(directive) for directive in directives),
            directive_variables=directive_variables,
            fields=tuple(entity_fields.fields),
        )

    def _directives(self, kind: OperationKind) -> list[DirectiveNode]:
        """The client's directives on the operation that may stand on one of this kind.

        All subgraphs know what the supergraph knows.
        """
        directives = []
        for node in self.operation.definition.directives or ():
            definition = self.operation.schema.get_directive(node.name.value)
            if definition is not None and any(place.name == kind.upper() for place in definition.locations):
                directives.append(node)
        return directives

    def _name(self, request: Request) -> str | None:
        if self.operation.name is None:
            return None
        subgraph = _NOT_A_NAME.sub("_", self.graph.graphs[request.graph].name)
        return f"{self.operation.name}__{subgraph}__{request.number}"


def _path_of(group: FetchGroup) -> Path:
    """The path to the objects that are the root type which the group asks for."""
    position = group.position
    return (*position.path, TypeCondition(group.types)) if group.types < position.types else position.path


def _reasons(request: Request) -> tuple[str, ...]:
    """The fields that the request is for, then the keys and required fields by which it gets them."""
    fields = list(dict.fromkeys(name for group in request.groups for name in _field_names(group.selection)))
    more = f" and {len(fields) - MAX_NAMED_FIELDS} more" if len(fields) > MAX_NAMED_FIELDS else ""
    by = dict.fromkeys(reason for group in request.groups for reason in group.reasons)
    return (f"for {', '.join(fields[:MAX_NAMED_FIELDS])}{more}", *by)


def _field_names(selection: Selection) -> Iterator[str]:
    """`Type.field` for each field at the first level."""
    static = selection.static
    for item in selection.items:
        is_for_all = static is not None and item.types >= selection.types
        yield f"{static.name if static and is_for_all else '|'.join(sorted(item.types))}.{item.field.name}"
    if not selection.items:
        yield f"{static.name if static else '|'.join(sorted(selection.types))}.__typename"


def _only_if(request: Request) -> tuple[tuple[VariableCondition, ...], ...]:
    """`Fetch.only_if`: what each group (or root field) is asked for under, beside the request's own conditions."""
    conditions = [group.conditions for group in request.groups]
    if request.kind == "root":
        conditions = conditions_of_root_fields(request.groups[0])
    alternatives = dict.fromkeys(in_order(c.variables - request.conditions.variables) for c in conditions)
    return () if () in alternatives else tuple(alternatives)
