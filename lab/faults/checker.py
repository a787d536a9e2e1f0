"""Evidence -> violations: the guarantees, computed from tables and logs alone."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from uuid import UUID

from lab.faults.evidence import Change, Evidence, Seen
from shared_schema.states import TERMINAL, TRANSITIONS, InstanceStatus

#: What raises an instance's version; lines of its log have events beside.
_ROW_EVENTS: Final = frozenset({"instance.created", "instance.updated", "instance.deleted"})
_ENDED: Final = frozenset(status.value for status in TERMINAL)


@dataclass(frozen=True, slots=True)
class Violation:
    """A guarantee that did not hold: its name, of what, and how."""

    kind: str
    subject: str
    text: str


Found = Iterator[tuple[object, str]]
Rule = Callable[[Evidence], Found]


def check(evidence: Evidence, *, without: Collection[Rule] = ()) -> list[Violation]:
    """Every violation there is of the rules, but for those that the scene suspends."""
    rules = [(kind, rule) for kind, rule in RULES if rule not in without]
    return [Violation(kind, str(subject), text) for kind, rule in rules for subject, text in rule(evidence)]


def _instances(evidence: Evidence) -> dict[UUID, list[Change]]:
    found: defaultdict[UUID, list[Change]] = defaultdict(list)
    for change in evidence.changes:
        if change.type in _ROW_EVENTS:
            found[change.aggregate].append(change)
    return found


def lost_instances(evidence: Evidence) -> Found:
    """An instance that a client got an answer for exists."""
    there = {row.id for row in evidence.rows}
    for key, instance in evidence.made.items():
        if instance not in there:
            yield instance, f"created with key {key}, and there is no row"


def unanswered(evidence: Evidence) -> Found:
    """A request that a client repeated was answered in the end."""
    for key in evidence.unanswered:
        yield key, "createInstance never succeeded"


def doubled_instances(evidence: Evidence) -> Found:
    """One key, one instance."""
    by_key: defaultdict[str | None, list[UUID]] = defaultdict(list)
    for row in evidence.rows:
        by_key[row.key].append(row.id)
    for key, found in by_key.items():
        if key is not None and len(found) > 1:
            yield key, f"made {len(found)} instances"
        if key is not None and key in evidence.made and evidence.made[key] not in found:
            yield key, "the client got another instance"


def stuck(evidence: Evidence) -> Found:
    """Every instance has ended."""
    for row in evidence.rows:
        if row.status not in _ENDED:
            yield row.id, f"is still {row.status} in attempt {row.attempt}"


def double_terminal(evidence: Evidence) -> Found:
    """Exactly one change says that an instance has ended, and none comes after it but its deletion."""
    for instance, changes in _instances(evidence).items():
        ends = [change for change in changes if change.terminal and change.type == "instance.updated"]
        if len(ends) > 1:
            endings = ", ".join(f"{change.status} (version {change.version})" for change in ends)
            yield instance, f"ended {len(ends)} times: {endings}"


def transitions(evidence: Evidence) -> Found:
    """Statuses follow one another as they may."""
    for instance, changes in _instances(evidence).items():
        ordered = sorted(changes, key=lambda change: change.version)
        for before, after in pairwise(ordered):
            if before.status == after.status or before.status is None or after.status is None:
                continue
            if InstanceStatus(after.status) not in TRANSITIONS[InstanceStatus(before.status)]:
                yield instance, f"went from {before.status} to {after.status} (version {after.version})"


def history(evidence: Evidence) -> Found:
    """Every version of a row has one row of the outbox."""
    changes = _instances(evidence)
    for row in evidence.rows:
        versions = sorted(change.version for change in changes.get(row.id, []))
        if versions != list(range(1, row.version + 1)):
            yield row.id, f"has version {row.version}, and events of versions {versions}"


def unpublished(evidence: Evidence) -> Found:
    """Nothing waits in the outbox at the end."""
    for change in evidence.changes:
        if not change.published:
            yield change.id, f"version {change.version} of {change.aggregate} was never published"


def lost_events(evidence: Evidence) -> Found:
    """An event that was published was received."""
    heard = {one.id for one in evidence.heard}
    for change in evidence.changes:
        if change.published and change.id not in heard:
            yield change.id, f"version {change.version} of {change.aggregate} was never heard"


def invented_events(evidence: Evidence) -> Found:
    """An event that was received had been written."""
    written = {change.id: change for change in evidence.changes}
    for event in {one.id: one for one in evidence.heard}.values():
        change = written.get(event.id)
        if change is None:
            yield event.id, "was heard and never written"
        elif (change.aggregate, change.version) != (event.aggregate, event.version):
            yield event.id, "was heard with another subject or version than it was written with"


def order(evidence: Evidence) -> Found:
    """Repeats aside, an aggregate's events arrive in the order in which they were written."""
    place = {change.id: number for number, change in enumerate(evidence.changes)}
    newest: dict[UUID, Change] = {}
    known: set[UUID] = set()
    for event in evidence.heard:
        if event.id in known or event.id not in place:
            continue
        known.add(event.id)
        change, before = evidence.changes[place[event.id]], newest.get(event.aggregate)
        if before is not None and place[event.id] < place[before.id]:
            event_text = f"{change.type} of version {change.version}"
            yield event.aggregate, f"{event_text} arrived first after {before.type} of version {before.version}"
        else:
            newest[event.aggregate] = change


def watched(evidence: Evidence) -> Found:
    """A subscriber saw rising versions, each with its own status, and the end."""
    truth = _statuses(evidence)
    final = {row.id: row for row in evidence.rows}
    for instance, watch in evidence.watches.items():
        yield from ((instance, text) for text in _stream(watch.seen, truth.get(instance, {})))
        row = final.get(instance)
        if row is None or row.status not in _ENDED:
            continue
        if not watch.seen or watch.seen[-1] != Seen(row.version, row.status):
            last = watch.seen[-1] if watch.seen else None
            yield instance, f"ended as {row.status} in version {row.version}; its subscriber saw last {last}"
        if not watch.completed:
            yield instance, "its subscription did not complete"


def followed(evidence: Evidence) -> Found:
    """So did a subscriber of all instances, within each of its sessions."""
    truth = _statuses(evidence)
    for stream in evidence.streams:
        for instance, seen in stream.items():
            yield from ((instance, text) for text in _stream(seen, truth.get(instance, {})))


def _statuses(evidence: Evidence) -> dict[UUID, dict[int, str | None]]:
    return {
        instance: {change.version: change.status for change in changes}
        for instance, changes in _instances(evidence).items()
    }


def _stream(seen: list[Seen], truth: dict[int, str | None]) -> Iterator[str]:
    for before, after in pairwise(seen):
        if after.version <= before.version:
            yield f"version {after.version} was delivered after version {before.version}"
    for one in seen:
        if one.version not in truth:
            yield f"version {one.version} was delivered and never written"
        elif truth[one.version] != one.status:
            yield f"version {one.version} was delivered as {one.status}, it is {truth[one.version]}"


def cancels(evidence: Evidence) -> Found:
    """A client that was answered that a run is being cancelled does not find it succeeded."""
    for row in evidence.rows:
        if row.id in evidence.cancelled and row.status == "SUCCEEDED":
            yield row.id, "was cancelled, and succeeded"


def results(evidence: Evidence) -> Found:
    """A success has the result of its parameters; nothing else has one."""
    for row in evidence.rows:
        expected = evidence.expected.get(row.key or "")
        if row.status == "SUCCEEDED" and expected is not None and row.result != expected:
            yield row.id, "its result is another than its parameters give"
        if row.status != "SUCCEEDED" and row.result is not None:
            yield row.id, f"is {row.status}, and has a result"


#: What a violation is called, and the rule that finds it. `lost`, `stuck` and `double_terminal` are counted apart.
RULES: Final[tuple[tuple[str, Rule], ...]] = (
    ("lost", lost_instances),
    ("lost", lost_events),
    ("lost", unpublished),
    ("lost", history),
    ("unanswered", unanswered),
    ("stuck", stuck),
    ("double_terminal", double_terminal),
    ("doubled", doubled_instances),
    ("transition", transitions),
    ("invented", invented_events),
    ("order", order),
    ("watch", watched),
    ("watch", followed),
    ("cancel", cancels),
    ("result", results),
)


def count(violations: list[Violation]) -> Counter[str]:
    """Violations by kind."""
    return Counter(violation.kind for violation in violations)
