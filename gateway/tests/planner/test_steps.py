"""Plans have the fewest steps, then the fewest requests.

A field that others wait for is asked as early as it can be, though it might piggyback on a later request.
"""

import pytest

from botberi_gateway.planner import build_plan
from lab.fuzzing.graph import Graph
from lab.fuzzing.pair import Arena
from lab.fuzzing.world import Trouble

LINK = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9",'
    ' import: ["@key", "@external", "@requires", "@provides", "@shareable"])\n'
)

MONOLITH = """
type Query { item: Item! desk: [Thing!]! shelf: [Box!]! }
type Item { id: ID! price: Int weight: Int size: Int tax: Int cost: Int rank: Int owner: Owner }
interface Thing { owner: Owner! }
type Pen implements Thing { owner: Owner! }
type Cup implements Thing { owner: Owner! }
type Owner { id: ID! name: String city: String }
interface Box { id: ID! depth: Int }
type Red implements Box { id: ID! depth: Int }
type Blue implements Box { id: ID! depth: Int }
"""

SUBGRAPHS = {
    "items": """
type Query { item: Item! desk: [Thing!]! shelf: [Box!]! @shareable }
type Item @key(fields: "id") { id: ID! }
interface Thing { owner: Owner! }
type Pen implements Thing { owner: Owner! @provides(fields: "name") }
type Cup implements Thing { owner: Owner! @provides(fields: "name city") }
type Owner @key(fields: "id") { id: ID! name: String @external city: String @external }
interface Box { id: ID! }
type Red implements Box @key(fields: "id") { id: ID! depth: Int }
type Blue implements Box @key(fields: "id") { id: ID! }
""",
    "weights": """
type Item @key(fields: "id") { id: ID! weight: Int size: Int @external tax: Int @requires(fields: "size") }
interface Box { id: ID! depth: Int }
type Red implements Box @key(fields: "id") { id: ID! depth: Int @external }
type Blue implements Box @key(fields: "id") { id: ID! depth: Int @external }
""",
    "prices": """
type Item @key(fields: "id") {
  id: ID! size: Int rank: Int owner: Owner weight: Int @external price: Int @requires(fields: "weight")
}
type Owner @key(fields: "id") { id: ID! }
type Query { shelf: [Box!]! @shareable }
interface Box { id: ID! }
type Red implements Box @key(fields: "id") { id: ID! }
type Blue implements Box @key(fields: "id") { id: ID! depth: Int }
""",
    "owners": """
type Item @key(fields: "id") { id: ID! size: Int @external cost: Int @requires(fields: "size") }
type Owner @key(fields: "id") { id: ID! name: String @shareable city: String @shareable }
""",
}


#: Operation, steps, requests.
PLANS = {
    "required of a subgraph that is asked again later": ("{ item { price tax } }", 3, 5),
    "required by two": ("{ item { price cost tax } }", 3, 6),
    "required under a condition, too": ("query($if: Boolean!) { item { price cost @skip(if: $if) tax } }", 3, 6),
    "objects of which another subgraph has the rest": ("{ item { price owner { name } } }", 3, 5),
    "no other field waits for it": ("{ item { price rank owner { id } } }", 3, 3),
    "there is time until the last step": ("{ item { price cost rank } }", 3, 5),
    "a field of each type elsewhere": ("{ shelf { depth } }", 1, 2),
    "a request that is made anyway brings it": ("{ shelf { depth } item { rank } }", 2, 2),
    "every type provides it": ("{ desk { owner { name } } }", 1, 1),
    "one type doesn't provide it": ("{ desk { owner { name city } } }", 2, 2),
    "asked of the type that provides it": ("{ desk { owner { id } ... on Cup { owner { city } } } }", 1, 1),
}


@pytest.fixture(scope="module")
def arena() -> Arena:
    return Arena(Graph(MONOLITH, {name: LINK + sdl for name, sdl in SUBGRAPHS.items()}))


@pytest.mark.parametrize("case", PLANS)
def test_steps_and_requests(arena: Arena, case: str) -> None:
    operation, steps, requests = PLANS[case]
    plan = build_plan(arena.supergraph, operation)
    assert (plan.depth, plan.fetch_count) == (steps, requests), str(plan)


@pytest.mark.parametrize("case", PLANS)
async def test_answers(arena: Arena, case: str) -> None:
    outcome = await arena.run(PLANS[case][0], {"if": False} if "$if" in PLANS[case][0] else {}, Trouble(salt=8))
    assert not outcome.skipped
    assert not outcome.problem
