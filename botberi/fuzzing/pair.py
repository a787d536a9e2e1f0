"""One graph, one operation, one kind of trouble -> what the gateway got wrong, if anything."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from graphql import DocumentNode, GraphQLSchema, parse, validate

import gateway.composition
import gateway.executor
import gateway.operation
import gateway.planner
from botberi.fuzzing.graph import Graph
from botberi.fuzzing.subgraph import FuzzClient, Run
from botberi.fuzzing.world import Facts, Trouble, World
from gateway.composition import Subgraph
from gateway.errors import GatewayError, RequestError
from gateway.operation.limits import UNLIMITED
from gateway.plan import Condition, Fetch, Parallel, Plan
from gateway.plan import Sequence as Steps
from gateway.supergraph import Supergraph
from gateway.upstream.codec import decode, encode

Path: TypeAlias = tuple[str | int, ...]

#: Composition may say these of a graph that was cut at random; any other error is a mismatch.
REFUSALS = frozenset({"SATISFIABILITY_ERROR", "SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES"})


class Refused(Exception):
    """The graph can't be composed, and rightly so."""


class Mismatch(Exception):
    """The gateway is wrong (or the oracle)."""


@dataclass(frozen=True)
class Case:
    """All that a pair needs, and all that a folder of `tests/gateway/cases` holds."""

    graph: Graph
    document: str
    variables: Mapping[str, Any]
    trouble: Trouble


@dataclass
class Outcome:
    """`problem` is empty where the gateway and the truth agree."""

    problem: str = ""
    #: The operation isn't valid, says graphql-core: no pair.
    skipped: bool = False
    calls: int = 0
    plan: str = ""
    features: Counter[str] = field(default_factory=Counter)


class Arena:
    """One graph, composed, with its clients. Raises `Refused`; `Mismatch` where composition is wrong."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.world = World(graph)
        composed = gateway.composition.compose([Subgraph(name, sdl) for name, sdl in graph.subgraphs.items()])
        codes = {error.code for error in composed.errors}
        if codes:
            if codes <= REFUSALS:
                raise Refused(", ".join(sorted(codes)))
            raise Mismatch("composition refuses: " + "; ".join(f"{e.code}: {e.message}" for e in composed.errors[:3]))
        assert composed.supergraph_sdl is not None
        self.supergraph = Supergraph.from_sdl(composed.supergraph_sdl)
        self.clients = {name: FuzzClient(self.world, facts) for name, facts in self.world.subgraphs.items()}
        self.features = graph_features(graph)
        if (one := shape_of(self.supergraph.api_schema)) != (other := shape_of(self.world.client_schema)):
            raise Mismatch(f"the API schema isn't the monolith: {sorted(set(one) ^ set(other))[:8]}")

    async def run(self, document: str, variables: Mapping[str, Any], trouble: Trouble) -> Outcome:
        """Both sides, compared."""
        outcome = Outcome()
        try:
            await self._compare(parse(document, no_location=True), document, variables, trouble, outcome)
        except Mismatch as mismatch:
            outcome.problem = str(mismatch)
        except Exception as error:  # whatever it is, it is a finding
            outcome.problem = f"{type(error).__name__}: {error}"
        return outcome

    async def _compare(
        self, node: DocumentNode, document: str, variables: Mapping[str, Any], trouble: Trouble, outcome: Outcome
    ) -> None:
        try:
            operation = gateway.operation.prepare(self.supergraph.api_schema, document, None, UNLIMITED)
        except RequestError as error:
            if validate(self.world.client_schema, node):
                outcome.skipped = True
                return
            raise Mismatch(f"valid, but refused: {error}") from error
        # Validation costs more than all the rest: the gateway's own word is checked in every eighth pair.
        if trouble.salt % 8 == 0 and (invalid := validate(self.world.client_schema, node)):
            raise Mismatch(f"not valid, but accepted: {invalid[0].message}")
        run = Run(Facts(self.world, trouble))
        truth, ledger = run.facts.monolith(self.world.client_schema, node, variables)
        try:
            coerced = gateway.operation.coerce_variables(operation, variables)
        except RequestError as error:
            if truth.data is None and truth.errors and all(e.path is None for e in truth.errors):
                outcome.features["variables refused"] += 1
                return
            raise Mismatch(f"refused: {error}") from error
        if truth.data is None and truth.errors and all(e.path is None for e in truth.errors):
            raise Mismatch(f"not refused: {truth.errors[0].message}")
        try:
            plan = gateway.planner.build_plan(self.supergraph, operation)
        except GatewayError as error:
            raise Mismatch(f"no plan: {type(error).__name__}: {error}") from error
        outcome.plan = str(plan)
        for client in self.clients.values():
            client.run = run
        runtime = gateway.executor.Runtime(self.clients, max_errors=100_000)
        result = await gateway.executor.execute(plan, operation, coerced, runtime)
        answer = decode(result.to_bytes())
        outcome.calls = len(run.calls)
        outcome.features += run.features + self.features
        check_calls(run, plan, operation, len(self.clients))
        reported = paths(answer.get("errors", ()))
        if run.failed:
            self._check_failed(node, variables, run, plan, answer, reported)
        else:
            self._check_whole(node, variables, run, truth, answer, reported, ledger.done)
        outcome.features["error above a null that climbed"] += any(
            p is not None and is_null(answer["data"], p[:-1]) for p in reported
        )
        outcome.features[f"{min(outcome.calls, 6)}{'+' if outcome.calls > 5 else ''} calls"] += 1
        outcome.features["null in the answer"] += b"null" in encode(answer["data"])

    def _check_whole(
        self,
        node: DocumentNode,
        variables: Mapping[str, Any],
        run: Run,
        truth: Any,
        answer: Any,
        reported: Sequence[Path | None],
        done: list[tuple[str, Any]],
    ) -> None:
        """Every call was answered: data is the truth's, errors stand where the truth's do."""
        expected = decode(encode(truth.data))
        same(expected, answer["data"])
        if None in reported:
            raise Mismatch(f"an error without a path: {answer['errors']}")
        watched: set[Path] = set()
        apart, _ = run.facts.monolith(self.world.loose_schema, node, variables, watched=watched)
        raised = watched | set(paths(apart.errors or ())) | set(paths(truth.errors or ()))
        ours = {p for p in reported if p is not None}
        if len(ours) < len(reported):
            raise Mismatch(f"an error is told twice: {answer['errors']}")
        if strange := ours - {p for p in raised if p is not None}:
            raise Mismatch(f"an error where there is none: {sorted(map(str, strange))}: {answer['errors']}")
        wanted = {landing(expected, tuple(e.path)) for e in truth.errors or ()}
        told = {landing(expected, path) for path in ours}
        if wanted != told:
            raise Mismatch(f"nulls by error at {sorted(map(str, wanted))}, but told are {sorted(map(str, told))}")
        if run.ledger.done != done and not (
            expected is None and run.ledger.done[: len(done)] == done[: len(run.ledger.done)]
        ):
            raise Mismatch(f"mutations ran as {run.ledger.done} instead of {done}")

    def _check_failed(
        self,
        node: DocumentNode,
        variables: Mapping[str, Any],
        run: Run,
        plan: Plan,
        answer: Any,
        reported: Sequence[Path | None],
    ) -> None:
        """Calls failed: the truth with an error wherever we report one is our answer, and we report only what such a call was for.

        A call that took nothing from the answer may be told at an object that it was for.
        """
        told = frozenset(p for p in reported if p is not None)
        lost = frozenset(p for p in told if is_null(answer["data"], p))
        services = {name for name, _ in run.failed}
        if not reported:
            raise Mismatch("a call failed, and no error tells of it")
        if len(told) + (None in reported) < len(reported):
            raise Mismatch(f"an error is told twice: {answer['errors']}")
        own = set(paths(run.facts.monolith(self.world.client_schema, node, variables)[0].errors or ()))
        for error in answer["errors"]:
            if tuple(error.get("path") or ()) in own:
                continue  # the truth's own, such as a hidden enum value
            if error.get("extensions", {}).get("service") not in services:
                raise Mismatch(f"an error of a subgraph that didn't fail: {error}")
        truth, _ = run.facts.monolith(self.world.client_schema, node, variables, forced=lost)
        same(decode(encode(truth.data)), answer["data"])
        places = [place for name, request in run.failed for place in places_of(plan, name, request.operation)]
        for path in told - own:
            keys = tuple(key for key in path if isinstance(key, str))
            if not any(keys[: len(place)] == place for place in places):
                raise Mismatch(f"an error at {path}, where no failed call was for: {places}")


def shape_of(schema: GraphQLSchema) -> list[str]:
    """Every type, member, field, argument and default, as lines."""
    lines = []
    for name, type_ in schema.type_map.items():
        if name.startswith("__") or name in ("Int", "Float", "String", "Boolean", "ID", "_Any"):
            continue
        lines.append(f"{type(type_).__name__} {name} {sorted(i.name for i in getattr(type_, 'interfaces', ()))}")
        lines += [f"{name} = {member.name}" for member in getattr(type_, "types", ())]
        lines += [f"{name} = {value}" for value in getattr(type_, "values", ())]
        for field_name, made in getattr(type_, "fields", {}).items():
            lines.append(f"{name}.{field_name}: {made.type} = {getattr(made, 'default_value', None)!r}")
            for argument, given in getattr(made, "args", {}).items():
                lines.append(f"{name}.{field_name}({argument}: {given.type} = {given.default_value!r})")
    return sorted(lines)


def same(expected: Any, got: Any) -> None:
    """Equal as ordered JSON."""
    if (one := encode(expected)) != (other := encode(got)):
        raise Mismatch(f"data: {other.decode()}\n  truth: {one.decode()}")


def paths(errors: Sequence[Any]) -> list[Path | None]:
    """Of errors as JSON or as graphql-core has them."""
    found: list[Path | None] = []
    for error in errors:
        path = error.get("path") if isinstance(error, Mapping) else error.path
        found.append(None if path is None else tuple(path))
    return found


def landing(data: Any, path: Path) -> Path:
    """The null that an error at `path` became."""
    for length, key in enumerate(path):
        if data is None:
            return path[:length]
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            raise Mismatch(f"an error at {path}, which isn't in the answer") from None
    if data is not None:
        raise Mismatch(f"an error at {path}, where there is a value")
    return path


def is_null(data: Any, path: Path) -> bool:
    """At the path, or above it."""
    for key in path:
        if data is None:
            return True
        data = data.get(key) if isinstance(data, dict) else data[int(key)] if isinstance(data, list) else None
    return data is None


def fetches(node: Any) -> list[Fetch]:
    """Every fetch of a plan."""
    match node:
        case Fetch():
            return [node]
        case Steps(nodes) | Parallel(nodes):
            return [f for child in nodes for f in fetches(child)]
        case Condition(_, if_true, if_false):
            return fetches(if_true) + fetches(if_false)
    return []


def places_of(plan: Plan, subgraph: str, operation: str) -> list[tuple[str, ...]]:
    """Response keys down to the objects that a request was for; of a root request, down to its own fields."""
    found: list[tuple[str, ...]] = []
    for fetch in fetches(plan.node):
        if fetch.subgraph != subgraph or fetch.operation != operation:
            continue
        if fetch.entities:
            found += [
                tuple(key for key in path if isinstance(key, str)) for entity in fetch.entities for path in entity.paths
            ]
            continue
        above = tuple(key for key in fetch.path if isinstance(key, str))
        definition: Any = parse(operation).definitions[0]
        keys = {(s.alias or s.name).value for s in definition.selection_set.selections if hasattr(s, "alias")}
        keys |= {rename.target for rename in fetch.renames if not rename.path}
        if any(not hasattr(s, "alias") for s in definition.selection_set.selections):
            found.append(above)
        found += [(*above, key) for key in keys]
    return found


def check_calls(run: Run, plan: Plan, operation: Any, subgraphs: int) -> None:
    """Every call was in order, and there were no more of them than may be."""
    if run.problems:
        raise Mismatch("a subgraph complains: " + "\n  ".join(run.problems[:3]))
    if len(run.calls) > plan.fetch_count:
        raise Mismatch(f"{len(run.calls)} calls for a plan of {plan.fetch_count} fetches")
    asked = [
        (name, request.operation, encode(dict(request.variables)))
        for name, request in run.calls
        if request.kind == "query"
    ]
    if len(set(asked)) < len(asked):
        raise Mismatch(f"the same request is sent twice: {asked}")
    bound = positions(operation) * (subgraphs + 2)
    if plan.fetch_count > bound:
        raise Mismatch(f"{plan.fetch_count} fetches, more than {bound}:\n{plan}")


def positions(operation: Any) -> int:
    """Places of objects in the answer, by response key and type condition, whatever the data: the root is one."""

    def count(selection: Any) -> int:
        total = 0
        for node in selection.selections:
            if node.kind == "fragment_spread":
                total += 1 + count(operation.fragments[node.name.value].selection_set)
            elif node.selection_set is not None:
                total += 1 + count(node.selection_set)
        return total

    return 1 + count(operation.selection_set)


def graph_features(graph: Graph) -> Counter[str]:
    """What the graph has that no single request shows."""
    text = "\n".join(graph.subgraphs.values())
    found = Counter({f"graph of {len(graph.subgraphs)} subgraphs": 1})
    for name, sign in (
        ("@inaccessible", "@inaccessible"),
        ("@tag", "@tag(name"),
        ("resolvable: false", "resolvable: false"),
        ("@interfaceObject", " @interfaceObject"),
        ("union", "union U"),
    ):
        body = text.replace('"@inaccessible"', "").replace('"@interfaceObject"', "")
        found[f"graph with {name}"] += sign in body
    return +found


def describe(case: Case) -> str:
    """For people."""
    return f"{case.document}\nvariables: {json.dumps(dict(case.variables))}\ntrouble: {case.trouble}"
