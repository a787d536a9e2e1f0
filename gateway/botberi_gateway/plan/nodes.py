"""A query plan as plain data: what planner and executor meet in.

The shapes follow Apollo's query plans (`QueryPlan`, `Sequence`, `Parallel`, `Fetch`, `Flatten`, `Condition`, `Defer`,
`Subscription`) with one change: `Flatten` is not a node of its own. An entity fetch says in `Entities` where its
objects live, so that one request can serve several paths and several `_entities` fields (Hive calls that a batch
fetch). The printers still show `Flatten`.

Response keys in a plan are keys of *subgraph answers*. They equal the client's response keys but where the planner had
to rename (a conflict of aliases or types in one subgraph selection); such a rename is undone by `Fetch.renames` before
the answer is read.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

OperationKind: TypeAlias = Literal["query", "mutation", "subscription"]


@dataclass(frozen=True, slots=True)
class ListItems:
    """Path element: every item of the list here (of nested lists: one element for each level)."""


@dataclass(frozen=True, slots=True)
class TypeCondition:
    """Path element: only objects whose `__typename` is one of these concrete types of the supergraph."""

    types: frozenset[str]


PathElement: TypeAlias = str | ListItems | TypeCondition
#: From the root of the answer: response keys, list levels, type conditions.
Path: TypeAlias = tuple[PathElement, ...]


@dataclass(frozen=True, slots=True)
class KeyField:
    """A field of a representation.

    Its `name` is the subgraph's; its value is read from `source` (a response key of the data so far).
    """

    name: str
    source: str
    selections: tuple["KeySelection", ...] = ()


@dataclass(frozen=True, slots=True)
class KeyFragment:
    """Fields of a representation for objects whose `__typename` is in `types` (concrete types.

    Nested fragments may use them too).
    """

    types: frozenset[str]
    selections: tuple["KeySelection", ...]


KeySelection: TypeAlias = KeyField | KeyFragment


@dataclass(frozen=True, slots=True)
class Representation:
    """How objects of some concrete types become representations: `{"__typename": typename, **selections}`.

    `typename` is what is sent: the object's own type, or the interface's name where the subgraph has it as
    `@interfaceObject` or as an entity interface. Where `typename` is None the object's own `__typename` is sent. A
    field that is null is sent as null; an object in which a selected field is absent (not merely null) gives no
    representation and is left out of the fetch.
    """

    types: frozenset[str]
    typename: str | None
    selections: tuple[KeySelection, ...]


@dataclass(frozen=True, slots=True)
class ContextSource:
    """Where the value of a contextual argument is.

    It is in the object that is `up` objects above the entity, if that object is of `types` (None: of whatever type).
    `selections` lead to the value: one field, and in each field one below (one for each type, in fragments).
    """

    up: int
    types: frozenset[str] | None
    selections: tuple[KeySelection, ...]


@dataclass(frozen=True, slots=True)
class ContextValue:
    """An operation variable that each entity's ancestors fill (`@fromContext`): from the first source that fits."""

    variable: str
    type: str
    sources: tuple[ContextSource, ...]


@dataclass(frozen=True, slots=True)
class Entities:
    """One `_entities` field of a fetch.

    It is for the objects at `paths`; each is sent as the first of `representations` that suits its type. Entities whose
    `contexts` have unequal values can't share the field: the executor repeats it under other response keys, with
    variables of its own, once for each set of values.
    """

    paths: tuple[Path, ...]
    representations: tuple[Representation, ...]
    response_key: str = "_entities"
    variable: str = "representations"
    contexts: tuple[ContextValue, ...] = ()


@dataclass(frozen=True, slots=True)
class Rename:
    """In a fetch's answer the response key `source` becomes `target`.

    It stands below `path`, which begins at the root of the operation, or at each entity.
    """

    path: Path
    source: str
    target: str


@dataclass(frozen=True, slots=True, eq=False)
class SelectedField:
    """A field of an operation: `name` is the subgraph's, `key` its response key; leaves have no `selections`.

    Of selections it is the identity that counts: one can be the key of a cache without a look at all that is in it.
    """

    name: str
    key: str
    selections: "tuple[Selected, ...]" = ()
    #: `@include` and `@skip`, those of fragments on the way from the field above among them.
    conditions: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class SelectedFragment:
    """Fields of an operation for objects of this type (None: for all)."""

    type_name: str | None
    selections: "tuple[Selected, ...]"
    conditions: tuple[tuple[str, bool], ...] = ()


Selected: TypeAlias = SelectedField | SelectedFragment


@dataclass(frozen=True, slots=True)
class OperationPart:
    """The text of a field at the root of an operation, or of a variable's definition.

    `owner` is the number of the `_entities` field that it belongs to, among those with contexts; such text is cut where
    a copy has its suffix: behind the response key and the names of its own variables. Text of another field is whole.
    """

    texts: tuple[str, ...]
    owner: int | None
    #: The variables that the field uses, or the one that is defined.
    variables: frozenset[str]


@dataclass(frozen=True, slots=True)
class OperationParts:
    """An operation in parts, of which one with copies of some `_entities` fields is put together."""

    #: Kind and name.
    head: str
    definitions: tuple[OperationPart, ...]
    #: Of the operation, and the variables that they use.
    directives: str
    directive_variables: frozenset[str]
    fields: tuple[OperationPart, ...]


@dataclass(frozen=True, slots=True)
class Fetch:
    """One request to one subgraph.

    `operation` is a complete GraphQL document; `selections` is what it selects, as data: the text is never read again.
    `variables` are the client's variables that it uses, by the same names; `$representations` is the executor's. With
    `entities` empty its answer is merged at the root of the data, or, where a field leads back to a root type, at every
    object at `path`; else each entity's answer at the objects it was made from. `reasons` says for people why the fetch
    exists (fields, keys, `@requires`).
    """

    id: int
    subgraph: str
    operation: str
    selections: tuple[Selected, ...] = field(compare=False)
    kind: OperationKind = "query"
    operation_name: str | None = None
    variables: tuple[str, ...] = ()
    entities: tuple[Entities, ...] = ()
    renames: tuple[Rename, ...] = ()
    reasons: tuple[str, ...] = ()
    path: Path = ()
    #: Not empty: the request is needed only where all conditions of one of these hold, ("variable", True or False)
    #: each. (What one part of it needs alone also stands in the operation, as @include and @skip; a request that is
    #: made in vain is merely wasted.)
    only_if: tuple[tuple[tuple[str, bool], ...], ...] = ()
    #: Where entities have contexts: what an operation that repeats their fields is made of.
    parts: OperationParts | None = field(default=None, compare=False)

    def __hash__(self) -> int:
        # Caches ask for it often, and these two tell fetches from one another.
        return hash((self.id, self.operation))


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after another: a later node may need an earlier node's data."""

    nodes: tuple["PlanNode", ...]


@dataclass(frozen=True, slots=True)
class Parallel:
    """All at once: none needs another's data."""

    nodes: tuple["PlanNode", ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """`if_true` where the Boolean variable is true, else `if_false` (from `@include` and `@skip`)."""

    variable: str
    if_true: "PlanNode | None" = None
    if_false: "PlanNode | None" = None


@dataclass(frozen=True, slots=True)
class DeferredPart:
    """What one `@defer` adds to a plan.

    `defers` are the directives (by number, in document order) that the fragment stands under, its own among them: the
    part's fields may come later where one of them is on. `label`, `path` and `selection` are the fragment's, for
    people. `node` may begin when the fetches `depends` have ended; it is None where other parts' fetches give all of
    the fragment. `variable` is the directive's `if`.
    """

    defers: frozenset[int]
    label: str | None
    path: Path
    selection: str
    depends: tuple[int, ...] = ()
    node: "PlanNode | None" = None
    variable: str | None = None


@dataclass(frozen=True, slots=True)
class Defer:
    """Fetches of which some are deferred: `primary` gives what isn't.

    A part depends on fetches of `primary` and of earlier parts, whose `defers` are among its own.
    """

    primary: "PlanNode | None"
    deferred: tuple[DeferredPart, ...]


@dataclass(frozen=True, slots=True)
class EventFeed:
    """A query that lists what is new; events of its subscription only say that it is time to ask.

    `document` has a Relay connection at the response keys `path`: `edges { cursor node { … } } pageInfo { endCursor
    hasNextPage }`, a node being what the subscription's field gives. Its variable `cursor` takes the cursor after which
    to begin, or null. At `until`, if it isn't empty, stands a Boolean.
    """

    document: str
    path: tuple[str, ...]
    cursor: str
    until: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EventTrigger:
    """The root of a subscription that an event source feeds (`@eventSource`, see docs/architecture/contracts.md).

    Each event gives `{response_key: {"__typename": type_name, **key}}`; `rest` of the subscription plans everything
    else as entity fetches. The key's values stand under the response keys that `key_sources` names (key field, response
    keys); a key field that no request reads isn't in it. `arguments` are `(name, GraphQL value text)`, such as `("id",
    "$id")`. `version_key` and `until_key` are response keys in the entity's data that the planner selects for the
    executor alone; projection leaves them out. `defaults` are those of arguments that aren't given. With a `feed` the
    results are its nodes, and neither keys nor `rest` matter.
    """

    response_key: str
    type_name: str
    key_fields: tuple[str, ...]
    topics: tuple[str, ...]
    where: tuple[str, ...] = ()
    arguments: tuple[tuple[str, str], ...] = ()
    snapshot: bool = False
    version_key: str | None = None
    until_key: str | None = None
    key_sources: tuple[tuple[str, tuple[str, ...]], ...] = ()
    defaults: tuple[tuple[str, str], ...] = ()
    feed: EventFeed | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """`primary` gives events: a subscription operation of one subgraph, or an event source.

    `rest` runs once for each event.
    """

    primary: Fetch | EventTrigger
    rest: "PlanNode | None" = None


@dataclass(frozen=True, slots=True)
class Withheld:
    """Fields that no subgraph is asked for on purpose: they are null, and no error (docs/adr/0010).

    They are those at the response keys `keys` of the objects at `path` that are of `types` (concrete types of the
    supergraph).
    """

    path: Path
    types: frozenset[str]
    keys: frozenset[str]


PlanNode: TypeAlias = Fetch | Sequence | Parallel | Condition | Defer
