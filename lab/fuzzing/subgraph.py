"""One subgraph of a world, in this process: strict about questions, answering by the truth, failing where asked to."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLResolveInfo,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    execute_sync,
    parse,
    validate,
)

from botberi_gateway.codec import decode, encode
from botberi_gateway.errors import SUBGRAPH_HTTP_ERROR, SUBGRAPH_TIMEOUT, SUBGRAPH_UNREACHABLE, SubgraphError
from botberi_gateway.upstream import SubgraphRequest, SubgraphResponse
from lab.fuzzing.declared import FieldFacts, Key, SubgraphFacts
from lab.fuzzing.truth import Ledger
from lab.fuzzing.world import Facts, Thing, Trouble, World

#: Of each subscription.
EVENTS = 2


@dataclass(frozen=True)
class Seen:
    """A thing as one subgraph sees it: as what it was asked for, and what its parent field provides."""

    thing: Thing
    asked: str | None = None
    given: frozenset[str] = frozenset()
    provided: SelectionSetNode | None = None


@dataclass
class Run:
    """One execution over all subgraphs: what was asked, and what was wrong with it."""

    facts: Facts
    ledger: Ledger = field(default_factory=Ledger)
    calls: list[tuple[str, SubgraphRequest]] = field(default_factory=list)
    failed: list[tuple[str, SubgraphRequest]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    features: Counter[str] = field(default_factory=Counter)


class FuzzClient:
    """A `SubgraphClient`. `run` changes with each pair; parsed and validated operations stay."""

    def __init__(self, world: World, facts: SubgraphFacts) -> None:
        self.world = world
        self.own = facts
        self.run = Run(Facts(world, Trouble()))
        self._documents: dict[str, tuple[DocumentNode, list[GraphQLError]]] = {}

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        """Checks the request, then answers or fails."""
        try:
            return self._answer(request)
        except SubgraphError:
            raise
        except Exception as error:
            self._problem(f"{error!r} for {request.operation}")
            raise

    def _answer(self, request: SubgraphRequest) -> SubgraphResponse:
        run, trouble = self.run, self.run.facts.trouble
        index = len(run.calls)
        run.calls.append((self.own.name, request))
        document = self._checked(request)
        if index in trouble.failing and request.kind != "subscription":
            run.failed.append((self.own.name, request))
            run.features[f"call fails: {trouble.how}"] += 1
            if trouble.how == "no data":
                return SubgraphResponse(None, [{"message": "failed as planned"}])
            code = {"timeout": SUBGRAPH_TIMEOUT, "status": SUBGRAPH_HTTP_ERROR}.get(trouble.how, SUBGRAPH_UNREACHABLE)
            raise SubgraphError(self.own.name, "failed as planned", code=code)
        if document is None:
            return SubgraphResponse(None, [{"message": "the operation isn't valid"}])
        return self._executed(request, document, 0)

    def _executed(self, request: SubgraphRequest, document: DocumentNode, event: int) -> SubgraphResponse:
        result = execute_sync(
            self.own.schema,
            document,
            Seen(Thing(request.kind.capitalize(), event)),
            variable_values=decode(encode(dict(request.variables))),
            operation_name=request.operation_name,
            field_resolver=self._resolve,
            type_resolver=self._type_of,
        )
        errors = [decode(encode(error.formatted)) for error in result.errors or ()]
        for error in result.errors or ():
            cause = error.original_error
            # graphql-core's own for a forbidden null is a TypeError.
            if cause is not None and not isinstance(cause, GraphQLError) and "Cannot return null" not in str(cause):
                self._problem(f"{cause!r} for {request.operation}")
        return SubgraphResponse(decode(encode(result.data)), errors)

    async def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        """Two events; which calls fail is decided by the calls that follow them."""
        document = self._checked(request)
        for event in range(EVENTS):
            if document is None:
                yield SubgraphResponse(None, [{"message": "the operation isn't valid"}])
            else:
                yield self._executed(request, document, event)

    async def aclose(self) -> None:
        """Nothing is held."""

    def _problem(self, text: str) -> None:
        self.run.problems.append(f"{self.own.name}: {text}")

    # -- what is asked

    def _checked(self, request: SubgraphRequest) -> DocumentNode | None:
        known = self._documents.get(request.operation)
        if known is None:
            if len(self._documents) > 2000:
                self._documents.clear()
            document = parse(request.operation, no_location=True)
            known = self._documents[request.operation] = (document, validate(self.own.schema, document))
        document, problems = known
        if problems:
            self._problem(f"not valid here: {problems[0].message}: {request.operation}")
            return None
        definition = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
        if definition.operation.value != request.kind:
            self._problem(f"a {request.kind} was announced: {request.operation}")
        fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        for node in definition.selection_set.selections:
            if isinstance(node, FieldNode) and node.name.value == "_entities":
                self._check_entities(node, fragments, request)
        lists = [v for v in request.variables.values() if isinstance(v, list)]
        if "_entities" in request.operation and not any(lists):
            self._problem("no representation")
        return document

    def _check_entities(
        self, node: FieldNode, fragments: Mapping[str, FragmentDefinitionNode], request: SubgraphRequest
    ) -> None:
        value = next(a.value for a in node.arguments or () if a.name.value == "representations")
        if not isinstance(value, VariableNode):
            return self._problem(f"representations aren't a variable: {request.operation}")
        if value.name.value not in request.variables:
            return self._problem(f"${value.name.value} is missing: {request.operation}")
        representations = decode(encode(request.variables[value.name.value]))
        texts = [encode(r) for r in representations]
        if len(set(texts)) < len(texts):
            self._problem(f"a representation is sent twice: {request.variables}")
        for representation in representations:
            if isinstance(representation, dict) and isinstance(representation.get("__typename"), str):
                self._check(representation, node, fragments, request)
            else:
                self._problem(f"a representation without __typename: {representation}")

    def _check(
        self,
        representation: dict[str, Any],
        node: FieldNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        request: SubgraphRequest,
    ) -> None:
        """Exactly a key that is resolvable here, and what the selected fields require; every value the truth."""
        typename = representation["__typename"]
        found = self._find(typename, bare(representation))
        if found is None:
            return self._problem(f"no {typename} is {representation} ({request.operation})")
        thing, key = found
        assert node.selection_set is not None
        own = self.own.types[typename]
        names = {typename, *(n for n in self.world.names_of(thing.type) if n in self.own.types)}
        always, maybe = [key.fields], [key.fields]
        for name, certain in self._selected(node.selection_set, names, fragments, request.variables, certain=True):
            facts = own.fields.get(name) or self.own.field(thing.type, name)
            if facts is not None and facts.requires is not None:
                maybe.append(facts.requires)
                if certain:
                    always.append(facts.requires)
        got = bare(representation)
        least, most = self.run.facts.project(thing, tuple(always)), self.run.facts.project(thing, tuple(maybe))
        if got != least and got != most and not (least.keys() <= got.keys() <= most.keys()):
            return self._problem(f"key {key.text!r}: {got} instead of {most} ({request.operation})")
        whole = self.run.facts.project(thing, tuple(always), typenames=True)
        if not all(_within(whole[name], representation[name]) for name in whole if name in got):
            self._problem(f"without __typename: {representation} instead of {whole} ({request.operation})")
        self.run.features["__typename inside a field set"] += "'__typename'" in str(list(whole.values()))
        for name in got:
            if got[name] != least.get(name, got[name]) and got[name] != most[name]:
                return self._problem(f"{name}: {got[name]} instead of {most[name]} ({request.operation})")
        self.run.features[f"key {_kind(key)}"] += 1
        self.run.features["key with a null"] += any(representation[name] is None for name in key.names)
        if len(own.keys) > 1:
            self.run.features["one of several keys"] += 1
        if own.interface_object:
            self.run.features["representation of an interface object"] += 1

    def _find(self, typename: str, given: Mapping[str, Any]) -> tuple[Thing, Key] | None:
        own = self.own.types.get(typename)
        if own is None or (typename not in self.world.schema.type_map):
            return None
        best: tuple[Thing, Key] | None = None
        for key in own.keys:
            if not key.resolvable:
                continue
            for type_name in sorted(self.world.possible(typename)):
                for number in range(self.run.facts.population(type_name)):
                    thing = Thing(type_name, number)
                    truth = self.run.facts.project(thing, (key.fields,))
                    same = all(n in given and _within(v, given[n]) for n, v in truth.items())
                    # The key with most fields is the one that was meant.
                    if same and (best is None or len(key.text) > len(best[1].text)):
                        best = (thing, key)
        return best

    def _included(self, node: Any, variables: Mapping[str, Any]) -> bool:
        for directive in node.directives or ():
            value = directive.arguments[0].value
            holds = variables.get(value.name.value) is True if isinstance(value, VariableNode) else value.value
            if holds is (directive.name.value == "skip"):
                return False
        return True

    def _selected(
        self,
        selection: SelectionSetNode,
        names: set[str],
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
        *,
        certain: bool,
    ) -> Iterator[tuple[str, bool]]:
        for node in selection.selections:
            here = certain and self._included(node, variables)
            if isinstance(node, FieldNode):
                yield node.name.value, here
                continue
            target: Any = fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
            if target.type_condition is None or target.type_condition.name.value in names:
                yield from self._selected(target.selection_set, names, fragments, variables, certain=here)

    # -- what is answered

    def _type_of(self, seen: Seen, info: GraphQLResolveInfo[Any], abstract: Any) -> str:
        possible = {t.name for t in info.schema.get_possible_types(abstract)}
        if seen.asked is not None and seen.asked in possible:
            return seen.asked
        return next(name for name in self.world.names_of(seen.thing.type) if name in possible)

    def _resolve(self, seen: Seen, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        name, run = info.field_name, self.run
        if name == "_entities":
            return [self._entity(r) for r in arguments["representations"]]
        parent = self.own.name_of(info.parent_type.name)
        own = self.own.field(parent, name)
        assert own is not None
        run.ledger.note(info, arguments)
        if name.startswith("count_"):
            return run.ledger.count(arguments)
        provided = None if seen.provided is None else next(_provided(seen.provided, name, seen.thing, self.world), None)
        self._allowed(seen, info, own, provided)
        value = run.facts.value(seen.thing, name, arguments)
        if isinstance(value, Exception):
            run.features["field error"] += 1
            raise value
        below = provided.selection_set if provided is not None else None
        if isinstance(value, Thing):
            run.features["value of a hidden type"] += value.type not in self.world.client_schema.type_map
        return _seen(value, own.provides or below)

    def _allowed(self, seen: Seen, info: GraphQLResolveInfo[Any], own: FieldFacts, provided: FieldNode | None) -> None:
        parent = self.own.name_of(info.parent_type.name)
        label = f"{parent}.{info.field_name}"
        features = self.run.features
        features["field of a renamed root type"] += parent != info.parent_type.name
        features["field that gives the root type again"] += info.field_name == "again"
        if own.external and provided is None:
            self._problem(f"{label} is external and isn't provided here")
        if own.lost:
            self._problem(f"{label} is overridden")
        if own.external:
            features["provided field"] += 1
            features["provided field of a type with interfaces"] += bool(info.parent_type.interfaces)
        if own.provides is not None and any(info.field_name in i.fields for i in info.parent_type.interfaces):
            features["@provides on a field of an interface"] += 1
        if own.override is not None:
            features["overridden field"] += 1
            features["override with label"] += own.label is not None
        features["argument from a context"] += bool(own.contexts)
        features["shareable field"] += own.shareable
        if self.own.types[parent].interface_object:
            features["field of an interface object"] += 1
            several = sum(declared.interface_object for declared in self.own.types.values()) > 1
            features["several interface objects in one subgraph"] += several
        if own.requires is not None:
            features["required fields"] += 1
            if any(isinstance(n, FieldNode) and n.arguments for n in own.requires.selections):
                features["required field with argument"] += 1
            if any(isinstance(n, FieldNode) and n.selection_set for n in own.requires.selections):
                features["required nested field"] += 1
            if any(isinstance(n, FieldNode) and n.name.value.startswith("made") for n in own.requires.selections):
                features["chain of required fields"] += 1
            needed = {n.name.value for n in own.requires.selections if isinstance(n, FieldNode)}
            if not needed <= seen.given:
                self._problem(f"{label} requires {sorted(needed)}, got {sorted(seen.given)}")

    def _entity(self, representation: Mapping[str, Any]) -> Any:
        found = self._find(representation["__typename"], bare(representation))
        if found is None:
            return GraphQLError(f"unknown: {representation}")
        if not self.run.facts.knows(self.own.name, found[0]):
            self.run.features["entity that its subgraph doesn't know"] += 1
            return None
        return Seen(found[0], representation["__typename"], frozenset(representation))


def _seen(value: Any, provided: SelectionSetNode | None) -> Any:
    if isinstance(value, list):
        return [_seen(item, provided) for item in value]
    return Seen(value, provided=provided) if isinstance(value, Thing) else value


def _provided(selection: SelectionSetNode, name: str, thing: Thing, world: World) -> Iterator[FieldNode]:
    for node in selection.selections:
        if isinstance(node, FieldNode) and node.name.value == name:
            yield node
        elif isinstance(node, InlineFragmentNode):
            condition = node.type_condition.name.value if node.type_condition else thing.type
            if thing.type in world.possible(condition):
                yield from _provided(node.selection_set, name, thing, world)


def _kind(key: Key) -> str:
    if "serial" in key.text:
        return "of a custom scalar"
    if "parts" in key.text:
        return "of a list"
    if "{" in key.text:
        return "nested"
    return "compound" if " " in key.text else "simple"


def bare(value: Any) -> Any:
    """Without `__typename`, at any depth."""
    if isinstance(value, Mapping):
        return {k: bare(v) for k, v in value.items() if k != "__typename"}
    return [bare(v) for v in value] if isinstance(value, list) else value


def _within(truth: Any, given: Any) -> bool:
    """Everything of the truth is in it."""
    if isinstance(truth, dict):
        return isinstance(given, Mapping) and all(k in given and _within(v, given[k]) for k, v in truth.items())
    if isinstance(truth, list):
        return isinstance(given, list) and len(given) == len(truth) and all(map(_within, truth, given))
    return bool(truth == given)
