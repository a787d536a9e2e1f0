"""Fields of some types at an `@interfaceObject`.

Which of them may be asked of all objects, and that answers stay right.
"""

import pytest

from botberi_gateway.planner import build_plan
from gateway.tests.planner.support import fetches_of
from lab.fuzzing.graph import Graph
from lab.fuzzing.pair import Arena
from lab.fuzzing.world import Trouble

LINK = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9",'
    ' import: ["@key", "@shareable", "@interfaceObject"])\n'
)

MONOLITH = """
type Query { media: Media list: [Media!] must: Media! shelf: Shelf }
interface Media { id: ID! stars: Int rank: Int! stats: Stats next: Media related: [Media!]! review: Review }
type Book implements Media {
  id: ID! stars: Int rank: Int! stats: Stats next: Media related: [Media!]! review: Review pages: Int author: Author
}
type Film implements Media {
  id: ID! stars: Int rank: Int! stats: Stats next: Media related: [Media!]! review: Review minutes: Int!
}
type Stats { views: Int! likes: Int deep: Deep! }
type Deep { one: Int! two: Int }
type Review { id: ID! text: String! score: Int }
type Author { id: ID! name: String! born: Int }
interface Shelf { id: ID! best: Author }
type Box implements Shelf { id: ID! best: Author }
type Case implements Shelf { id: ID! best: Author }
"""

ABSTRACT = """
type Query { media: Media list: [Media!] must: Media! shelf: Shelf }
type Media @interfaceObject @key(fields: "id") {
  id: ID! stars: Int rank: Int! stats: Stats next: Media related: [Media!]! review: Review
}
type Stats { views: Int! likes: Int deep: Deep! }
type Deep { one: Int! two: Int }
type Review @key(fields: "id") { id: ID! text: String! score: Int }
interface Shelf { id: ID! best: Author }
type Box implements Shelf @key(fields: "id") { id: ID! best: Author }
type Case implements Shelf @key(fields: "id") { id: ID! best: Author }
type Author @key(fields: "id") { id: ID! name: String! born: Int }
"""

CONCRETE = """
interface Media @key(fields: "id") { id: ID! }
type Book implements Media @key(fields: "id") { id: ID! pages: Int author: Author }
type Film implements Media @key(fields: "id") { id: ID! minutes: Int! }
type Author @key(fields: "id") { id: ID! }
"""


@pytest.fixture(scope="module")
def arena() -> Arena:
    return Arena(Graph(MONOLITH, {"abstract": LINK + ABSTRACT, "concrete": LINK + CONCRETE}))


#: Operation, and how many requests it takes: two where the field comes with its objects, three where their types are
#: known first.
PLANS = {
    "a null stops in the field": ("{ media { ... on Book { stars } } }", 2),
    "a null would propagate to the object": ("{ media { ... on Book { rank } } }", 3),
    "it is asked of all": ("{ media { rank ... on Book { rank stars } } }", 2),
    "it is asked of every type": ("{ media { ... on Book { rank } ... on Film { rank } } }", 2),
    "it is a key, which all give": ("{ media { ... on Book { id } } }", 2),
    "another name for what is asked of all": ("{ media { rank ... on Book { place: rank } } }", 2),
    "a null below stops in the field": ("{ media { ... on Book { stats { views } } } }", 2),
    "a null below would null what is asked of others": (
        "{ media { ... on Book { stats { views } } ... on Film { stats { likes } } } }",
        3,
    ),
    "what is asked of others as well": (
        "{ media { ... on Book { stats { views likes } } ... on Film { stats { views } } } }",
        2,
    ),
    "a null further below": (
        "{ media { ... on Book { stats { deep { one } } } ... on Film { stats { likes deep { two } } } } }",
        3,
    ),
    "under another response key": (
        "{ media { ... on Book { mine: stats { views } } ... on Film { stats { likes } } } }",
        2,
    ),
    "only where all have it": (
        "query($if: Boolean!) { media { rank @include(if: $if) ... on Book { rank } } }",
        3,
    ),
    "objects in a list that can't be null": ("{ media { ... on Book { related { stars } } } }", 3),
    "objects of another implementation": ("{ media { ... on Book { next { rank } } } }", 2),
}


@pytest.mark.parametrize("case", PLANS)
def test_requests(arena: Arena, case: str) -> None:
    operation, wanted = PLANS[case]
    plan = build_plan(arena.supergraph, operation)
    assert plan.fetch_count == wanted, str(plan)


def test_objects_of_each_type_are_sent_in_lists_of_their_own(arena: Arena) -> None:
    plan = build_plan(arena.supergraph, "{ media { ... on Book { rank } ... on Film { related { stars } } } }")
    last = list(fetches_of(plan.node))[-1]
    assert last.subgraph == "abstract"
    assert [one.representations[0].types & {"Book", "Film"} for one in last.entities] == [{"Book"}, {"Film"}]


def test_a_field_for_one_type_is_asked_of_no_other(arena: Arena) -> None:
    """Where the subgraph knows its types, a selection for one of them isn't merged into the one for all."""
    plan = build_plan(arena.supergraph, "{ shelf { best { born } ... on Box { best { name } } } }")
    (fetch,) = fetches_of(plan.node)
    assert fetch.operation == "{ shelf { __typename best { born } ... on Box { best { name } } } }"


def test_where_no_other_way_leads_to_the_field_it_is_asked_of_all() -> None:
    closed = ABSTRACT.replace(
        '@interfaceObject @key(fields: "id")', '@interfaceObject @key(fields: "id", resolvable: false)'
    )
    arena = Arena(Graph(MONOLITH, {"abstract": LINK + closed, "concrete": LINK + CONCRETE}))
    plan = build_plan(arena.supergraph, "{ media { ... on Book { rank } } }")
    assert [fetch.subgraph for fetch in fetches_of(plan.node)] == ["abstract", "concrete"]


def test_types_are_known_for_each_event_and_after_each_mutation() -> None:
    abstract = ABSTRACT + "type Mutation { touch: Media } type Subscription { touched: Media }"
    monolith = MONOLITH + "type Mutation { touch: Media } type Subscription { touched: Media }"
    arena = Arena(Graph(monolith, {"abstract": LINK + abstract, "concrete": LINK + CONCRETE}))
    for operation in (
        "mutation { touch { ... on Book { rank } } }",
        "subscription { touched { ... on Book { rank } } }",
    ):
        plan = build_plan(arena.supergraph, operation)
        assert [fetch.subgraph for fetch in fetches_of(plan.node)] == ["abstract", "concrete", "abstract"]


OPERATIONS = [
    *(operation for operation, _ in PLANS.values()),
    "{ list { ... on Book { rank } stars } must { rank ... on Film { minutes stats { views } } } }",
    "{ list { stats { likes } ... on Book { stats { views deep { one } } } ... on Film { related { rank } } } }",
    "{ list { related { ... on Book { rank pages } ... on Film { minutes stats { deep { two one } } } } } }",
    "{ list { next { related { ... on Film { review { score } rank } } } ... on Book { next { stars rank } } } }",
    "{ list { ... on Book { review { text } author { name } } ... on Film { review { score } } } }",
    "{ list { ... on Book { x: rank y: stars } ... on Film { y: rank x: stars } } }",
    "{ shelf { best { born } ... on Box { best { name } } ... on Case { best { id } } } }",
]


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_errors_take_what_they_take_of_the_whole(arena: Arena, operation: str) -> None:
    """Whatever fails: data and errors are the monolith's, by both executors."""
    variables = {"if": True} if "$if" in operation else {}
    for salt in range(30):
        trouble = Trouble(salt, errors=(100, 300, 500)[salt % 3], broken=(0, 100)[salt % 2])
        outcome = await arena.run(operation, variables, trouble)
        assert not outcome.problem, f"salt {salt}: {outcome.problem}\n{outcome.plan}"
