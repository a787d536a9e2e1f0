"""An operation's fields -> the fetch groups that are chosen for them, by the kind of the operation."""

from dataclasses import dataclass, field, replace

from botberi_gateway.errors import PlanningError
from botberi_gateway.plan import EventTrigger
from botberi_gateway.planner.events import event_of, key_sources
from botberi_gateway.planner.fetch_graph import FetchGroup
from botberi_gateway.planner.search import at_root, search, search_from_one
from botberi_gateway.planner.series import in_series
from botberi_gateway.planner.task import Task
from botberi_gateway.planner.tree import Field


@dataclass(slots=True)
class Choice:
    """The groups of an operation. Those of one chunk are finished before the next one begins."""

    chunks: list[list[FetchGroup]] = field(default_factory=list)
    #: What gives the events of a subscription: an event source, or a request to one subgraph. The chunks are for each
    #: event.
    trigger: EventTrigger | None = None
    events: FetchGroup | None = None


def choose_groups(task: Task, fields: tuple[Field, ...]) -> Choice:
    """Raises `PlanningError` where no subgraphs give the fields."""
    if not fields:
        return Choice()
    if task.operation.kind == "subscription":
        return _of_subscription(task, fields)
    if task.operation.kind == "mutation":
        return Choice([_of_chunk(task, chunk) for chunk in _chunks(task, fields)])
    return Choice([search(task.graph, task.walker, at_root(task.root), fields)])


def _chunks(task: Task, fields: tuple[Field, ...]) -> list[list[Field]]:
    """Root fields of a mutation in the order in which they run.

    Neighbours that one subgraph alone resolves are one chunk, each other field is one by itself.
    """
    chunks: list[list[Field]] = []
    last = ""
    for root_field in in_series(fields):
        graphs = [resolver.graph for resolver in task.graph.resolvers(task.root, root_field.name)]
        if not graphs:
            raise PlanningError(f"No subgraph gives {task.root}.{root_field.name}")
        only = graphs[0] if len(graphs) == 1 else ""
        if only and chunks and last == only:
            chunks[-1].append(root_field)
        else:
            chunks.append([root_field])
        last = only
    return chunks


def _of_chunk(task: Task, chunk: list[Field]) -> list[FetchGroup]:
    if len(chunk) == 1:
        return search_from_one(task.graph, task.walker, task.root, chunk[0])
    return search(task.graph, task.walker, at_root(task.root), tuple(chunk))


def _of_subscription(task: Task, fields: tuple[Field, ...]) -> Choice:
    """The root field's events come from an event source or from one subgraph; all else is asked for at each event."""
    root_field = fields[0]
    event = event_of(task, root_field)
    if event is not None and event.starter is None:
        return Choice(trigger=event.trigger)
    if event is not None and event.starter is not None:
        groups = search(task.graph, task.walker, event.starter, event.fields)
        return Choice([groups], trigger=replace(event.trigger, key_sources=key_sources(groups)))
    if len(fields) == 1:
        groups = search_from_one(task.graph, task.walker, task.root, root_field)
    else:  # the same field under several conditions
        groups = search(task.graph, task.walker, at_root(task.root), fields)
    first = [group for group in groups if group.kind == "root" and not group.position.path]
    if len(first) != 1:
        raise PlanningError(f"The events of {task.root}.{root_field.name} would come from more than one subgraph")
    return Choice([[group for group in groups if group is not first[0]]], events=first[0])
