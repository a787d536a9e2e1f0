"""One answer of the gateway, what it asked for it, and the truth -> `Mismatch`, or nothing."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphql import DocumentNode, parse

from botberi_gateway.codec import decode, encode
from botberi_gateway.plan import Condition, Defer, Fetch, Parallel, Plan, Subscription
from botberi_gateway.plan import Sequence as Steps
from botberi_gateway.planner.measure import fetch_steps
from botberi_gateway.upstream import SubgraphRequest
from lab.fuzzing.riding import Ridden, choices, has_key, ridden
from lab.fuzzing.subgraph import Run
from lab.fuzzing.truth import Truth, at_once, deferred, truth
from lab.fuzzing.world import World

Path: TypeAlias = tuple[str | int, ...]

#: Fields that a deferred fragment should have brought, and didn't.
ABSENT = "(absent)"


class Mismatch(Exception):
    """The gateway is wrong (or the oracle)."""


@dataclass(frozen=True)
class Comparison:
    """`document` as the client wrote it; `event` is which of a subscription's the answer is for."""

    world: World
    plan: Plan
    document: DocumentNode
    variables: Mapping[str, Any]
    event: int = 0

    @property
    def deferring(self) -> bool:
        """The answer may come in pieces: keys have no order, and fields whose fragment failed are absent."""
        return isinstance(self.plan.node, Defer)

    async def check(self, answer: Any, run: Run, expected: Truth, features: Counter[str]) -> None:
        """Raises `Mismatch`."""
        check_calls(run, self.plan)
        reported = paths(answer.get("errors", ()))
        if run.failed:
            await self._failed(run, answer, reported)
        else:
            await self._whole(run, expected, answer, reported)
        features["error above a null that propagated"] += any(
            p is not None and is_null(answer["data"], p[:-1]) for p in reported
        )
        features["null in the answer"] += b"null" in encode(answer["data"])

    async def _truth(self, forced: frozenset[Path], run: Run, document: DocumentNode | None = None) -> Truth:
        return await truth(
            run.facts,
            self.world.client_schema,
            document or self.document,
            self.variables,
            event=self.event,
            forced=forced,
        )

    async def _whole(self, run: Run, expected: Truth, answer: Any, reported: Sequence[Path | None]) -> None:
        """Every call was answered: data is the truth's, errors stand where the truth's do."""
        data = decode(encode(expected.data))
        lost = await self._ridden(run, expected, answer) if self.deferring else Ridden()
        if not (lost.nulls or lost.absent):
            self._same(data, answer["data"])
        if None in reported:
            raise Mismatch(f"an error without a path: {answer['errors']}")
        ours = {p for p in reported if p is not None}
        if len(ours) < len(reported):
            raise Mismatch(f"an error is reported twice: {answer['errors']}")
        if ours or expected.errors:
            watched: set[Path] = set()
            document = at_once(self.document) if self.deferring else self.document
            apart = await truth(
                run.facts, self.world.loose_schema, document, self.variables, event=self.event, watched=watched
            )
            raised = watched | set(paths(apart.errors)) | set(paths(expected.errors))
            unexpected = ours - {p for p in raised if p is not None}
            if unexpected and (unexpected := unexpected - await self._below_hidden(run, document)):
                raise Mismatch(f"an error where there is none: {sorted(map(str, unexpected))}: {answer['errors']}")
            self._same_landings(data, expected, answer, ours, lost)
        done = expected.done
        # Where all is null, be it by an error of a deferred value without a key, the fields after it needn't have run.
        if run.ledger.done != done and not (
            answer["data"] is None and run.ledger.done[: len(done)] == done[: len(run.ledger.done)]
        ):
            raise Mismatch(f"mutations ran as {run.ledger.done} instead of {done}")

    async def _below_hidden(self, run: Run, document: DocumentNode) -> set[Path]:
        """Errors that subgraphs raise below objects of types which clients don't see.

        Where its null propagates past the object, the type is gone too: no client can say then that it asked nothing of
        it.
        """
        raised: set[Path] = set()
        types: dict[Path, str] = {}
        found = await truth(
            run.facts,
            self.world.whole_loose_schema,
            document,
            self.variables,
            event=self.event,
            watched=raised,
            types=types,
        )
        raised |= {p for p in paths(found.errors) if p is not None}
        known = self.world.client_schema.type_map
        hidden = {place for place, name in types.items() if name not in known}
        return {path for path in raised if any(path[:length] in hidden for length in range(len(path)))}

    async def _ridden(self, run: Run, expected: Truth, answer: Any) -> Ridden:
        """Parts that the answer lacks because of errors of values without a key; none if it differs in another way."""
        data = decode(encode(expected.data))
        if _sorted(data) == _sorted(answer["data"]):
            return Ridden()
        others = []
        for ignored in choices(deferred(self.document)):
            document = at_once(self.document, ignored)
            found = await truth(run.facts, self.world.client_schema, document, self.variables, event=self.event)
            others.append(decode(encode(found.data)))
        # Of all objects: where no null propagates.
        types: dict[Path, str] = {}
        document = at_once(self.document)
        await truth(run.facts, self.world.loose_schema, document, self.variables, event=self.event, types=types)
        places = [place for place, _ in expected.failed if place in types and not has_key(self.world, types[place])]
        return ridden(answer["data"], data, others, places) or Ridden()

    def _same_landings(self, data: Any, expected: Truth, answer: Any, ours: set[Path], lost: Ridden) -> None:
        """The same nulls by error are reported, and the same fragments failed, but for those below a lost value."""
        failures = frozenset().union(*expected.failed.values())
        wanted = {self._landing(data, p) for p in paths(expected.errors) if p is not None and p not in failures}
        failed = answer.get("failed", {})
        why = {tuple(error.get("path") or ()) for found in failed.values() for error in found}
        reported = {self._landing(answer["data"], path) for path in ours - why}
        if lost.nulls or lost.absent:
            wanted = {place for place in wanted if not lost.covers(place)} | lost.nulls
            more = {place for place, _ in failed.keys() - expected.failed.keys()}
            if any(all(path[: len(place)] != place for place in more) for path in lost.absent):
                raise Mismatch(f"fields are absent, and no fragment failed: {lost.absent}")
            silent = {one: why for one, why in expected.failed.items() if one not in failed and not lost.covers(one[0])}
            # A fragment of which nothing else was left isn't heard of where all that failed in it lies below a null.
            if any(not all(lost.covers(path) for path in why) for why in silent.values()):
                raise Mismatch(f"fragments failed: {sorted(map(str, expected.failed))}, but reported are {set(failed)}")
        elif failed.keys() != expected.failed.keys():
            raise Mismatch(f"fragments failed: {sorted(map(str, expected.failed))}, but reported are {set(failed)}")
        if wanted != reported:
            ours_at, theirs_at = sorted(map(str, reported)), sorted(map(str, wanted))
            raise Mismatch(f"nulls by error at {theirs_at}, but reported are {ours_at}")

    async def _failed(self, run: Run, answer: Any, reported: Sequence[Path | None]) -> None:
        """Calls failed: the truth with our errors is our answer, and each error is about an object that a call was for.

        A call that took nothing from the answer may be reported at an object that it was for.
        """
        places_reported = frozenset(p for p in reported if p is not None)
        lost = frozenset(p for p in places_reported if is_null(answer["data"], p))
        services = {name for name, _ in run.failed}
        # A deferred fragment whose fields all came at once is never announced: then no part waits for its calls.
        if not reported and not self.deferring:
            raise Mismatch("a call failed, and no error tells of it")
        if len(places_reported) + (None in reported) < len(reported):
            raise Mismatch(f"an error is reported twice: {answer['errors']}")
        own = {p for p in paths((await self._truth(frozenset(), run)).errors) if p is not None}
        for error in answer["errors"]:
            if tuple(error.get("path") or ()) in own:
                continue  # the truth's own, such as a hidden enum value
            if error.get("extensions", {}).get("service") not in services:
                raise Mismatch(f"an error of a subgraph that didn't fail: {error}")
        forced = await self._truth(lost, run)
        self._same(decode(encode(forced.data)), answer["data"])
        places = [place for name, request in run.failed for place in places_of(self.plan, name, request)]
        for path in places_reported - own:
            keys = keys_of(path)
            # Below the object that a call was for; or beside a field above it, which requires fields that the call
            # fetches.
            if not any(keys[: len(place)] == place or place[: len(keys) - 1] == keys[:-1] for place in places):
                raise Mismatch(f"an error at {path}, where no failed call was for: {places}")

    def _same(self, expected: Any, got: Any) -> None:
        """Equal as JSON: ordered, where the answer comes at once."""
        one, other = (_sorted(expected), _sorted(got)) if self.deferring else (encode(expected), encode(got))
        if one != other:
            raise Mismatch(f"data: {other.decode()}\n  truth: {one.decode()}")

    def _landing(self, data: Any, path: Path) -> Path:
        """The null that an error at `path` became."""
        for length, key in enumerate(path):
            if data is None:
                return path[:length]
            if self.deferring and isinstance(data, dict) and key not in data:
                return (*path[:length], ABSENT)
            try:
                data = data[key]
            except (KeyError, IndexError, TypeError):
                raise Mismatch(f"an error at {path}, which isn't in the answer") from None
        if data is not None:
            raise Mismatch(f"an error at {path}, where there is a value")
        return path


def _sorted(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False).encode()


def paths(errors: Sequence[Any]) -> list[Path | None]:
    """Paths of errors as JSON or as graphql-core has them."""
    found: list[Path | None] = []
    for error in errors:
        path = error.get("path") if isinstance(error, Mapping) else error.path
        found.append(None if path is None else tuple(path))
    return found


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
        case Defer(primary, parts):
            return fetches(primary) + [f for part in parts for f in fetches(part.node)]
        case Subscription(primary, rest):
            return fetches(primary) + fetches(rest)
    return []


def keys_of(path: Sequence[Any]) -> tuple[str, ...]:
    """The response keys of a path, of an error or of a plan."""
    return tuple(key for key in path if isinstance(key, str))


def entity_places(fetch: Fetch) -> list[tuple[str, ...]]:
    """Response keys down to the objects whose entities are asked for."""
    return [keys_of(path) for entity in fetch.entities for path in entity.paths]


def places_of(plan: Plan, subgraph: str, request: SubgraphRequest) -> list[tuple[str, ...]]:
    """Response keys down to the objects that a request was for; of a root request, down to its own fields."""
    found: list[tuple[str, ...]] = []
    for fetch in fetches(plan.node):
        # Entities that differ in what their contexts give are asked for in copies of the plan's field.
        copied = any(entity.contexts for entity in fetch.entities) and fetch.operation_name == request.operation_name
        if fetch.subgraph != subgraph or not (copied or fetch.operation == request.operation):
            continue
        if fetch.entities:
            found += entity_places(fetch)
            continue
        above = keys_of(fetch.path)
        definition: Any = parse(request.operation).definitions[0]
        keys = {(s.alias or s.name).value for s in definition.selection_set.selections if hasattr(s, "alias")}
        keys |= {rename.target for rename in fetch.renames if not rename.path}
        if any(not hasattr(s, "alias") for s in definition.selection_set.selections):
            found.append(above)
        found += [(*above, key) for key in keys]
    return found


def check_calls(run: Run, plan: Plan) -> None:
    """Every call was in order, and there were no more of them than the plan has fetches."""
    if run.problems:
        raise Mismatch("a subgraph complains: " + "\n  ".join(run.problems[:3]))
    if len(run.calls) > plan.fetch_count:
        raise Mismatch(f"{len(run.calls)} calls for a plan of {plan.fetch_count} fetches")
    asked = [
        (name, request.operation, encode(dict(request.variables)))
        for name, request in run.calls
        if request.kind == "query"
    ]
    # What is deferred at the root is fetched apart, and may lead to the same entities.
    if len(set(asked)) < len(asked) and not isinstance(plan.node, Defer):
        twice = {one for one in asked if asked.count(one) > 1}
        if not all(_is_met_again(plan, subgraph, operation) for subgraph, operation, _ in twice):
            raise Mismatch(f"the same request is sent twice: {asked}")


def _is_met_again(plan: Plan, subgraph: str, operation: str) -> bool:
    """True if the fetches of one operation are about different places at different steps: the data may have one entity.

    Two fetches of one step would be one, and the planner has no reason to ask for a place twice. Fetches of root fields
    may repeat where a field leads to the root type.
    """
    own = [f for f in fetches(plan.node) if f.subgraph == subgraph and f.operation == operation]
    if not any(fetch.entities for fetch in own):
        return len({tuple(fetch.path) for fetch in own}) == len(own) > 1
    step_of = fetch_steps(plan.node)
    places = [place for fetch in own for place in set(entity_places(fetch))]
    return len(own) > 1 and len({step_of[fetch.id] for fetch in own}) == len(own) and len(set(places)) == len(places)


def check_size(plan: Plan, operation: Any, subgraphs: int) -> None:
    """No more fetches than places of objects can need."""
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
