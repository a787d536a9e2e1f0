"""One graph, one operation, one kind of trouble -> what the gateway got wrong, if anything."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from graphql import DocumentNode, GraphQLInputField, GraphQLSchema, parse, validate

import botberi_gateway.composition
import botberi_gateway.executor
import botberi_gateway.operation
import botberi_gateway.planner
from botberi_gateway.composition import Subgraph
from botberi_gateway.errors import GatewayError, RequestError
from botberi_gateway.executor import ExecutorKind
from botberi_gateway.operation import Operation
from botberi_gateway.operation.limits import UNLIMITED
from botberi_gateway.plan import Defer, Plan
from botberi_gateway.supergraph import Supergraph
from lab.fuzzing.answering import Answering, runtime
from lab.fuzzing.compare import Comparison, Mismatch, check_size
from lab.fuzzing.declared import default_of
from lab.fuzzing.graph import Graph
from lab.fuzzing.replay import Tape
from lab.fuzzing.subgraph import EVENTS, FuzzClient, Run
from lab.fuzzing.truth import truth
from lab.fuzzing.world import Facts, Trouble, World

#: Composition may say these of a graph that was cut at random; any other error is a mismatch.
REFUSALS = frozenset({"SATISFIABILITY_ERROR", "SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES"})


class Refused(Exception):
    """The graph can't be composed, and rightly so."""


@dataclass(frozen=True)
class Case:
    """All that a pair needs, and all that a folder of `gateway/tests/cases` holds."""

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
    plan: Plan | None = None
    #: The gateway's whole answers: one, or one for each event of a subscription.
    answers: list[Any] = field(default_factory=list)
    features: Counter[str] = field(default_factory=Counter)


class Arena:
    """One graph, composed, with its clients. Raises `Refused`; `Mismatch` where composition is wrong."""

    def __init__(
        self, graph: Graph, executor: ExecutorKind = ExecutorKind.BOTH, labels: frozenset[str] = frozenset()
    ) -> None:
        """`labels` are those of progressive overrides that are active."""
        self.graph = graph
        self.executor = executor
        self.labels = labels
        self.world = World(graph, labels)
        self.supergraph = Supergraph.from_sdl(graph.supergraph or self._composed(graph))
        self.clients = {name: FuzzClient(self.world, facts) for name, facts in self.world.subgraphs.items()}
        self.features = graph_features(graph)
        if (one := shape_of(self.supergraph.api_schema)) != (other := shape_of(self.world.client_schema)):
            raise Mismatch(f"the API schema isn't the monolith: {sorted(set(one) ^ set(other))[:8]}")

    def _composed(self, graph: Graph) -> str:
        composed = botberi_gateway.composition.compose([Subgraph(name, sdl) for name, sdl in graph.subgraphs.items()])
        codes = {error.code for error in composed.errors}
        if codes:
            if codes <= REFUSALS:
                raise Refused(", ".join(sorted(codes)))
            raise Mismatch("composition refuses: " + "; ".join(f"{e.code}: {e.message}" for e in composed.errors[:3]))
        assert composed.supergraph_sdl is not None
        return composed.supergraph_sdl

    def facts(self, trouble: Trouble) -> Facts:
        """The truth that subgraphs and monolith answer with."""
        return Facts(self.world, trouble)

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
            operation = botberi_gateway.operation.prepare(self.supergraph.api_schema, document, None, UNLIMITED)
        except RequestError as error:
            if validate(self.world.client_schema, node):
                outcome.skipped = True
                return
            raise Mismatch(f"valid, but refused: {error}") from error
        # Validation costs more than all the rest: the gateway's own word is checked in every eighth pair.
        if trouble.salt % 8 == 0 and (invalid := validate(self.world.client_schema, node)):
            raise Mismatch(f"not valid, but accepted: {invalid[0].message}")
        facts = self.facts(trouble)
        first = await truth(facts, self.world.client_schema, node, variables)
        try:
            coerced = botberi_gateway.operation.coerce_variables(operation, variables)
        except RequestError as error:
            if first.refused:
                outcome.features["variables refused"] += 1
                return
            raise Mismatch(f"refused: {error}") from error
        if first.refused:
            raise Mismatch(f"not refused: {first.errors[0]['message']}")
        try:
            plan = botberi_gateway.planner.build_plan(self.supergraph, operation, labels=self.labels)
        except GatewayError as error:
            raise Mismatch(f"no plan: {type(error).__name__}: {error}") from error
        outcome.plan = plan
        check_size(plan, operation, len(self.clients))
        outcome.features += self.features
        event = 0
        async for answer, run in self._answers(plan, operation, coerced, facts):
            expected = (
                first if event == 0 else await truth(facts, self.world.client_schema, node, variables, event=event)
            )
            await Comparison(self.world, plan, node, variables, event).check(answer, run, expected, outcome.features)
            outcome.answers.append(answer)
            outcome.calls += len(run.calls)
            outcome.features += run.features
            event += 1
        if event != (EVENTS if operation.kind == "subscription" else 1):
            raise Mismatch(f"{event} answers")
        if self.executor is ExecutorKind.BOTH and outcome.calls > 1:
            outcome.features["answers in other orders"] += 1
        outcome.features[f"{min(outcome.calls, 6)}{'+' if outcome.calls > 5 else ''} calls"] += 1

    async def _answers(
        self, plan: Plan, operation: Operation, coerced: Mapping[str, Any], facts: Facts
    ) -> AsyncIterator[tuple[Any, Run]]:
        """The gateway's whole answers, with what it asked the subgraphs for each: one, or one for each event."""
        run, tape, fixed = self._begin(facts), Tape(), []
        # The interpreter goes over the same answers as compiled code: both must say the same to the byte.
        own = runtime(tape.recording(self.clients), self.executor)
        answering = Answering(plan, operation, coerced)
        try:
            async for answer in answering(own):
                fixed.append(answer.fixed)
                run.features["answer in several payloads"] += answer.payloads > 1
                if operation.kind != "subscription":
                    self._count(own.environment.statistics, run)
                yield answer.whole, run
                run = self._begin(facts)
            if self.executor is ExecutorKind.BOTH and tape.calls > 1:
                await self._again(answering, tape, fixed, facts.trouble.salt)
        except botberi_gateway.executor.ExecutorMismatch as error:
            raise Mismatch(f"the executors differ: {error}") from error

    async def _again(self, answering: Answering, tape: Tape, fixed: list[bytes], seed: int) -> None:
        """Each executor alone, and typed programs, while the same answers come in another order: nothing may change."""
        for number, executor in enumerate(ExecutorKind):
            player = tape.player(seed * len(ExecutorKind) + number)
            again = [answer.fixed async for answer in answering(runtime(player.clients(self.clients), executor))]
            if again != fixed:
                mine, theirs = next((a, b) for a, b in zip_longest(fixed, again, fillvalue=b"") if a != b)
                raise Mismatch(
                    f"the order of answers decides, {executor}: {mine.decode()[:2000]}\nbecame {theirs.decode()[:2000]}"
                )
            if not isinstance(answering.plan.node, Defer):
                # Else requests that no part waits for any more may or may not have been sent.
                player.check()

    def _count(self, counts: botberi_gateway.executor.ExecutionStatistics, run: Run) -> None:
        """Which executor answered."""
        if faults := counts.interpreted["a fault of the compiler"]:
            raise Mismatch(f"the plan was not compiled: {faults} fault of the compiler")
        run.features["answered by compiled code"] += counts.compiled
        run.features["answered by a typed program"] += counts.typed
        run.features["compiled after a typed program"] += counts.typed_bail_outs
        run.features.update({f"compiled, then: {why}": 1 for why in counts.bail_outs})
        run.features.update({f"not compiled: {why}": 1 for why in counts.interpreted})

    def _begin(self, facts: Facts) -> Run:
        run = Run(facts)
        for client in self.clients.values():
            client.run = run
        return run


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
            default = default_of(made) if isinstance(made, GraphQLInputField) else None
            lines.append(f"{name}.{field_name}: {made.type} = {default!r}")
            for argument, given in getattr(made, "args", {}).items():
                lines.append(f"{name}.{field_name}({argument}: {given.type} = {default_of(given)!r})")
    return sorted(lines)


def graph_features(graph: Graph) -> Counter[str]:
    """Features of the graph that no single request shows."""
    text = "\n".join(graph.subgraphs.values())
    found = Counter({f"graph of {len(graph.subgraphs)} subgraphs": 1})
    for name, sign in (
        ("@context", "@fromContext(field"),
        ("@inaccessible", "@inaccessible"),
        ("@tag", "@tag(name"),
        ("resolvable: false", "resolvable: false"),
        ("@interfaceObject", " @interfaceObject"),
        ("union", "union U"),
        ("a hidden type", "@inaccessible {"),
    ):
        body = text.replace('"@inaccessible"', "").replace('"@interfaceObject"', "")
        found[f"graph with {name}"] += sign in body
    found["defaults written otherwise"] += len({_inputs(sdl) for sdl in graph.subgraphs.values()}) > 1
    found["federation 1 supergraph (join v0.1)"] += bool(graph.supergraph)
    found["federation 1 schemas, composed"] += not graph.supergraph and "@link(" not in text
    return +found


def _inputs(sdl: str) -> str:
    """A subgraph's input objects, as it writes them."""
    return sdl.partition("input Filter {")[2].partition("input Point")[0].replace(" @inaccessible", "")


def describe(case: Case) -> str:
    """For people."""
    return f"{case.document}\nvariables: {json.dumps(dict(case.variables))}\ntrouble: {case.trouble}"
