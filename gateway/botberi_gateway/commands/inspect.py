"""`inspect` and `plan`: each stage from a supergraph and an operation to its plan -> text, or plain data for JSON."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from graphql import print_ast

from botberi_gateway.commands.options import Stage
from botberi_gateway.executor import Compiled
from botberi_gateway.executor.compiled import Program
from botberi_gateway.executor.compiled.lowering import lower
from botberi_gateway.executor.compiled.printing import program_tree
from botberi_gateway.executor.compiled.source import Unsupported
from botberi_gateway.operation import Operation, prepare
from botberi_gateway.operation.defer import Defers
from botberi_gateway.plan import Condition, Defer, EventTrigger, Fetch, Parallel, Plan, PlanNode, Sequence, Subscription
from botberi_gateway.plan.text import path_text
from botberi_gateway.planner import build_plan
from botberi_gateway.planner.conditions import in_order
from botberi_gateway.planner.tree import Field
from botberi_gateway.planner.walk import Walker
from botberi_gateway.query_graph import query_graph
from botberi_gateway.supergraph import Supergraph


def inspect(stage: Stage, supergraph: Supergraph, query: str | None = None, operation_name: str | None = None) -> Any:
    """One stage as plain data: dictionaries, lists, texts.

    Raises `GatewayError` for an operation that isn't valid or can't be planned.
    """
    if stage is Stage.SUPERGRAPH:
        return _supergraph(supergraph)
    if stage is Stage.GRAPH:
        return _graph(supergraph)
    assert query is not None
    operation = prepare(supergraph.api_schema, query, operation_name)
    if stage is Stage.OPERATION:
        return _operation(supergraph, operation)
    plan = build_plan(supergraph, operation)
    if stage is Stage.CODE:
        return _code(plan, operation)
    if stage is Stage.PROGRAM:
        return _programs(plan, operation)
    return _fetches(plan) if stage is Stage.FETCHES else plan.to_json()


def text_of(stage: Stage, supergraph: Supergraph, query: str | None = None, operation_name: str | None = None) -> str:
    """What `inspect` gives, as text for people."""
    if stage is Stage.PLAN:
        assert query is not None
        return str(build_plan(supergraph, prepare(supergraph.api_schema, query, operation_name)))
    if stage is Stage.CODE:
        programs = inspect(stage, supergraph, query, operation_name)
        return "\n\n".join(f"# {conditions}\n{source}" for conditions, source in programs.items())
    return "\n".join(_lines(inspect(stage, supergraph, query, operation_name)))


def _variants(plan: Plan, operation: Operation) -> Iterator[tuple[str, Program | str]]:
    """Conditions and the program for them: none of the conditions met, and all. Where there is no program, why."""
    compiled = Compiled(plan, operation)
    for value in (False, True) if compiled.conditions else (False,):
        said = ", ".join(f"${name} = {str(value).lower()}" for name in compiled.conditions)
        yield said or "always", compiled.program(dict.fromkeys(compiled.conditions, value))


def _programs(plan: Plan, operation: Operation) -> dict[str, Any]:
    """Conditions -> the program for them as data, or why there is none."""
    programs: dict[str, Any] = {}
    for when, program in _variants(plan, operation):
        if isinstance(program, str):
            programs[when] = {"not compiled": program}
        else:
            programs[when] = program_tree(program.layout, lower(program.layout, program.operation))
    return programs


def _code(plan: Plan, operation: Operation) -> dict[str, str]:
    """Conditions -> the source that is compiled for them, or why there is none."""
    programs = {}
    for when, program in _variants(plan, operation):
        if isinstance(program, str):
            programs[when] = f"# not compiled: {program}"
            continue
        programs[when] = program.source.rstrip()
        programs[f"{when}, when run often"] = _typed_code(program)
    return programs


def _typed_code(program: Program) -> str:
    from botberi_gateway.executor.compiled.typed.program import write_typed

    try:
        return write_typed(program.layout, program.operation)[0].text().rstrip()
    except Unsupported as reason:
        return f"# not typed: {reason}"


def _lines(data: Any, indent: str = "") -> Iterator[str]:
    """A tree of names: what is short stands behind its name, what is long below it."""
    for name, value in data.items():
        if isinstance(value, dict):
            yield f"{indent}{name}"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for entry in value:
                yield f"{indent}{name}"
                yield from _lines(entry, indent + "  ")
        elif isinstance(value, list):
            if value:
                between = "; " if any("," in str(one) for one in value) else ", "
                yield f"{indent}{name}: {between.join(map(str, value))}"
        elif isinstance(value, str) and "\n" in value:
            yield f"{indent}{name}:"
            yield from (f"{indent}  {line}" for line in value.splitlines())
        elif value is not None and value is not False:
            yield f"{indent}{name}" if value is True or value == "" else f"{indent}{name}: {value}"


def _supergraph(supergraph: Supergraph) -> dict[str, Any]:
    """Subgraphs, and each type with its keys and its fields' joins as the join specification has them."""
    names = {graph.graph: graph.name for graph in supergraph.graphs.values()}

    def joins(field: Any, owners: list[str]) -> list[str]:
        if not field.joins:
            return owners
        said = []
        for join in field.joins:
            marks = [
                *(["external"] if join.external else []),
                *([f'requires "{join.requires}"'] if join.requires else []),
                *([f'provides "{join.provides}"'] if join.provides else []),
                *([f'overrides "{join.override}"'] if join.override else []),
                *([f'label "{join.override_label}"'] if join.override_label else []),
            ]
            owner = names.get(join.graph or "", "interface object")
            said.append(f"{owner} ({', '.join(marks)})" if marks else owner)
        return said

    types: dict[str, Any] = {}
    for type_ in supergraph.types.values():
        owners = list(dict.fromkeys(names[j.graph] for j in type_.joins))
        keys = [
            f'"{j.key}" in {names[j.graph]}' + ("" if j.resolvable else " (not resolvable)")
            for j in type_.joins
            if j.key is not None
        ]
        entry: dict[str, Any] = {"in": owners}
        entry |= {"keys": keys} if keys else {}
        entry |= {"implements": list(type_.interfaces)} if type_.interfaces else {}
        entry |= {"members": list(type_.members)} if type_.members else {}
        entry |= {"values": list(type_.values)} if type_.values else {}
        fields = {f"{f.name}: {print_ast(f.type)}": joins(f, owners) for f in type_.fields.values()}
        fields |= {f"{f.name}: {print_ast(f.node.type)}": joins(f, owners) for f in type_.input_fields.values()}
        entry |= {"fields": fields} if fields else {}
        types[f"{type_.kind.lower()} {type_.name}"] = entry
    return {"subgraphs": {g.name: g.url for g in supergraph.graphs.values()}, "types": types}


def _graph(supergraph: Supergraph) -> dict[str, Any]:
    """Who answers each field of an object, and by which keys one enters which subgraph."""
    graph = query_graph(supergraph)
    names = {g.graph: g.name for g in supergraph.graphs.values()}
    nodes: dict[str, Any] = {}
    for type_ in supergraph.types.values():
        if type_.kind != "OBJECT":
            continue
        entry: dict[str, Any] = {}
        entries = dict.fromkeys(f'{names[e.graph]} by {e.type_name} "{e.key}"' for e in graph.key_edges(type_.name))
        if entries:
            entry["entered"] = list(entries)
        answered: dict[str, list[str]] = {}
        for field in type_.fields:
            answered[field] = [
                names[r.graph]
                + (f" as {r.type_name}" if r.type_name != type_.name else "")
                + (f' (requires "{r.field.requires}")' if r.field.requires else "")
                + (f' (provides "{r.field.provides}")' if r.field.provides else "")
                + "".join(f' (takes "{a.name}" from {a.context} {a.selection})' for a in r.field.contexts)
                for r in graph.resolvers(type_.name, field)
            ]
        entry["answered"] = answered
        nodes[type_.name] = entry
    return nodes


def _operation(supergraph: Supergraph, operation: Operation) -> dict[str, Any]:
    """The operation as the planner walks it: fragments by concrete types, directives as conditions."""
    graph = query_graph(supergraph)
    root = graph.roots[operation.kind] or ""
    walker = Walker(graph, operation.fragments, defers=Defers(operation.document))
    fields = walker.fields(root, [operation.selection_set])
    variables = {
        f"${v.variable.name.value}": print_ast(v.type)
        + (f" = {print_ast(v.default_value)}" if v.default_value is not None else "")
        for v in operation.variable_definitions
    }
    head: dict[str, Any] = {"kind": operation.kind, "name": operation.name}
    head |= {"variables": variables} if variables else {}
    return {**head, "fields": _tree(fields)}


def _tree(fields: tuple[Field, ...]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for field in fields:
        label = field.name if field.key == field.name else f"{field.key}: {field.name}"
        label += field.arguments_text
        if field.types is not None:
            label += f" on {' | '.join(sorted(field.types))}"
        label += "".join(f" if {condition}" for condition in _conditions(in_order(field.conditions.variables)))
        label += " deferred" if field.conditions.defers else ""
        tree[label] = _tree(field.children) if field.children else ""
    return tree


def _conditions(conditions: Iterable[tuple[str, bool]]) -> list[str]:
    return [f"{'' if wanted else 'not '}${variable}" for variable, wanted in conditions]


def _fetches(plan: Plan) -> dict[str, Any]:
    """Each request: its step, subgraph, operation, when and why it is made."""
    fetches = []
    for placed in sorted(_steps(plan.node, Step(1)), key=lambda placed: (placed.step.number, _number(placed.fetch))):
        fetch = placed.fetch
        if isinstance(fetch, EventTrigger):
            fetches.append(
                {
                    "step": placed.step.number,
                    "events": list(fetch.topics),
                    "gives": f"{fetch.type_name} ({fetch.response_key})",
                }
            )
            continue
        entry: dict[str, Any] = {"step": placed.step.number, "number": fetch.id, "subgraph": fetch.subgraph}
        places = [".".join(path_text(path)) for entities in fetch.entities for path in entities.paths]
        entry |= {"at": places} if places else {}
        entry |= {"if": list(placed.step.conditions)} if placed.step.conditions else {}
        entry |= {"if any": [" and ".join(_conditions(one)) for one in fetch.only_if]} if fetch.only_if else {}
        entry |= {"deferred": True} if placed.step.deferred else {}
        entry |= {"variables": [f"${name}" for name in fetch.variables]} if fetch.variables else {}
        entry |= {"because": list(fetch.reasons)} if fetch.reasons else {}
        fetches.append({**entry, "operation": fetch.operation})
    return {"steps": plan.depth, "requests": plan.fetch_count, "fetch": fetches}


def _number(fetch: Fetch | EventTrigger) -> int:
    return fetch.id if isinstance(fetch, Fetch) else 0


@dataclass(frozen=True, slots=True)
class Step:
    """Where in the plan a fetch stands; steps are counted from 1."""

    number: int
    conditions: tuple[str, ...] = ()
    deferred: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """A fetch, and where it stands."""

    step: Step
    fetch: Fetch | EventTrigger


def _steps(node: PlanNode | Subscription | None, step: Step) -> Iterator[Placed]:
    """Every fetch with its step."""
    match node:
        case Fetch():
            yield Placed(step, node)
        case Parallel(nodes):
            for inner in nodes:
                yield from _steps(inner, step)
        case Sequence(nodes):
            for inner in nodes:
                yield from _steps(inner, step)
                step = replace(step, number=step.number + _depth(inner))
        case Condition(variable, if_true, if_false):
            for branch, value in ((if_true, True), (if_false, False)):
                conditions = (*step.conditions, *_conditions([(variable, value)]))
                yield from _steps(branch, replace(step, conditions=conditions))
        case Defer(primary, parts):
            ends = {}
            for placed in _steps(primary, step):
                ends[_number(placed.fetch)] = placed.step.number
                yield placed
            for part in parts:
                begin = 1 + max((ends[needed] for needed in part.depends), default=step.number - 1)
                for placed in _steps(part.node, replace(step, number=begin, deferred=True)):
                    ends[_number(placed.fetch)] = placed.step.number
                    yield placed
        case Subscription(primary, rest):
            yield Placed(step, primary)
            yield from _steps(rest, replace(step, number=step.number + 1))


def _depth(node: PlanNode | None) -> int:
    match node:
        case None:
            return 0
        case Fetch():
            return 1
        case Parallel(nodes):
            return max((_depth(inner) for inner in nodes), default=0)
        case Sequence(nodes):
            return sum(_depth(inner) for inner in nodes)
        case Condition(_, if_true, if_false):
            return max(_depth(if_true), _depth(if_false))
        case Defer(primary, parts):
            return _depth(primary) + max((_depth(part.node) for part in parts), default=0)
    raise TypeError(node)
