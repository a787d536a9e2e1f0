"""Plans of small graphs of our own: what only a look at the plan can tell."""

import pytest

from botberi_gateway.errors import PlanningError, RequestError
from botberi_gateway.operation import prepare
from botberi_gateway.plan import Condition, EventTrigger, Fetch, KeyField, Plan, Sequence, Subscription
from botberi_gateway.planner import build_plan
from botberi_gateway.supergraph import Supergraph
from gateway.tests.planner.support import fetches_of

HEAD = """
schema @link(url: "https://specs.apollo.dev/link/v1.0") @link(url: "https://specs.apollo.dev/join/v0.5", for: EXECUTION) {
  query: Query mutation: Mutation subscription: Subscription
}
directive @eventSource(topics: [String!]!, where: [String!]! = [], version: String, until: String, snapshot: Boolean! = false) on FIELD_DEFINITION
enum join__Graph {
  JOBS @join__graph(name: "jobs", url: "")
  USERS @join__graph(name: "users", url: "")
}
type Query @join__type(graph: JOBS) @join__type(graph: USERS) {
  job(id: ID!): Job @join__field(graph: JOBS)
  me: User @join__field(graph: USERS)
}
type Mutation @join__type(graph: JOBS) @join__type(graph: USERS) {
  start(name: String!): Job @join__field(graph: JOBS)
  rename(name: String!): User @join__field(graph: USERS)
  stop(id: ID!): Job @join__field(graph: JOBS)
}
type Subscription @join__type(graph: JOBS) @join__type(graph: USERS) {
  jobUpdated(id: ID!): Job @join__field(graph: JOBS)
    @eventSource(topics: ["job.*"], where: ["id=$id"], version: "version", until: "done", snapshot: true)
  renamed: User @join__field(graph: USERS)
}
type Job @join__type(graph: JOBS, key: "id") {
  id: ID!
  name: String
  version: Int!
  done: Boolean!
  owner: User
}
type User @join__type(graph: USERS, key: "id") @join__type(graph: JOBS, key: "id") {
  id: ID!
  name: String @join__field(graph: USERS)
  jobs: [Job!]! @join__field(graph: JOBS)
}
"""


@pytest.fixture(scope="module")
def supergraph() -> Supergraph:
    return Supergraph.from_sdl(HEAD)


def _operations(plan: Plan) -> list[str]:
    return [f"{fetch.subgraph}: {fetch.operation}" for fetch in fetches_of(plan.node)]


def test_entity_fetch(supergraph: Supergraph) -> None:
    plan = build_plan(supergraph, "query Mine($id: ID!) { job(id: $id) { title: name owner { name } } }")
    assert (plan.fetch_count, plan.depth) == (2, 2)
    first, second = fetches_of(plan.node)
    assert first.operation == "query Mine__jobs__0($id: ID!) { job(id: $id) { title: name owner { __typename id } } }"
    assert first.variables == ("id",)
    assert first.operation_name == "Mine__jobs__0"
    assert second.operation == (
        "query Mine__users__1($representations: [_Any!]!) "
        "{ _entities(representations: $representations) { ... on User { name } } }"
    )
    assert second.variables == ()
    assert second.entities[0].paths == (("job", "owner"),)
    assert second.reasons == ("for User.name", "key 'id' of User")


def test_prints_as_apollo_does(supergraph: Supergraph) -> None:
    plan = build_plan(supergraph, "{ me { jobs { name } } }")
    assert (
        str(plan)
        == """\
QueryPlan {
  Sequence {
    Fetch(service: "users") {
      {
        me {
          __typename
          id
        }
      }
    },
    Flatten(path: "me") {
      Fetch(service: "jobs") {
        {
          ... on User {
            __typename
            id
          }
        } =>
        {
          ... on User {
            jobs {
              name
            }
          }
        }
      },
    },
  }
}"""
    )
    node = plan.to_json()["node"]
    assert node["kind"] == "Sequence"
    flatten = node["nodes"][1]
    assert (flatten["kind"], flatten["path"], flatten["node"]["kind"]) == ("Flatten", ["me"], "Fetch")
    assert flatten["node"]["requires"] == [
        {
            "kind": "InlineFragment",
            "typeCondition": "User",
            "selections": [{"kind": "Field", "name": "__typename"}, {"kind": "Field", "name": "id"}],
        }
    ]
    assert plan.to_mermaid().splitlines()[0] == "flowchart LR"


def test_same_operation_gives_same_plan(supergraph: Supergraph) -> None:
    query = "{ me { jobs { owner { name jobs { id } } } } job(id: 1) { owner { name } } }"
    assert build_plan(supergraph, query) == build_plan(Supergraph.from_sdl(HEAD), query)


def test_introspection_needs_no_fetch(supergraph: Supergraph) -> None:
    assert build_plan(supergraph, "{ __typename __schema { queryType { name } } }").node is None
    assert build_plan(supergraph, "{ __typename me { id } }").fetch_count == 1


def test_mutations_run_in_series(supergraph: Supergraph) -> None:
    plan = build_plan(
        supergraph,
        'mutation { a: start(name: "a") { owner { name } } b: start(name: "b") { id } rename(name: "x") { id } stop(id: 1) { id } }',
    )
    assert isinstance(plan.node, Sequence)
    assert [(fetch.subgraph, fetch.kind) for fetch in fetches_of(plan.node)] == [
        ("jobs", "mutation"),
        ("users", "query"),
        ("users", "mutation"),
        ("jobs", "mutation"),
    ]


def test_what_is_skipped_is_not_fetched(supergraph: Supergraph) -> None:
    plan = build_plan(supergraph, "query ($x: Boolean!) { me { id jobs @include(if: $x) { name } } }")
    assert isinstance(plan.node, Sequence)
    condition = plan.node.nodes[1]
    assert isinstance(condition, Condition)
    assert condition.variable == "x"
    assert isinstance(condition.if_true, Fetch)
    assert "$x" not in condition.if_true.operation
    assert build_plan(supergraph, "{ me { id jobs @include(if: false) { name } } }").fetch_count == 1


def test_requests_of_one_step_and_subgraph_are_one(supergraph: Supergraph) -> None:
    plan = build_plan(supergraph, "{ job(id: 1) { owner { name } } other: job(id: 2) { owner { name id } } }")
    assert plan.fetch_count == 2
    second = list(fetches_of(plan.node))[1]
    assert {path for entities in second.entities for path in entities.paths} == {("job", "owner"), ("other", "owner")}


def test_keys_get_names_of_their_own(supergraph: Supergraph) -> None:
    """The client took the key's name for another field."""
    plan = build_plan(supergraph, "{ me { id: name jobs { id } } }")
    first, second = fetches_of(plan.node)
    assert first.operation == "{ me { __typename id: name __id_0: id } }"
    selection = second.entities[0].representations[0].selections[0]
    assert (getattr(selection, "name", ""), getattr(selection, "source", "")) == ("id", "__id_0")


def test_subscription_of_a_subgraph(supergraph: Supergraph) -> None:
    plan = build_plan(supergraph, "subscription { renamed { name jobs { name } } }")
    assert isinstance(plan.node, Subscription)
    assert isinstance(plan.node.primary, Fetch)
    assert plan.node.primary.kind == "subscription"
    assert plan.node.primary.operation == "subscription { renamed { name __typename id } }".replace(
        "name __typename id", "__typename name id"
    )
    assert isinstance(plan.node.rest, Fetch)
    assert plan.node.rest.kind == "query"


def test_subscription_of_an_event_source(supergraph: Supergraph) -> None:
    plan = build_plan(supergraph, "subscription On($job: ID!) { jobUpdated(id: $job) { name owner { name } } }")
    assert isinstance(plan.node, Subscription)
    trigger = plan.node.primary
    assert trigger == EventTrigger(
        response_key="jobUpdated",
        type_name="Job",
        key_fields=("id",),
        topics=("job.*",),
        where=("id=$id",),
        arguments=(("id", "$job"),),
        snapshot=True,
        version_key="version",
        until_key="done",
        key_sources=(("id", ("id",)),),
    )
    fetches = list(fetches_of(plan.node.rest))
    assert [fetch.subgraph for fetch in fetches] == ["jobs", "users"]
    assert fetches[0].entities[0].paths == (("jobUpdated",),)
    assert "name" in fetches[0].operation
    assert "version" in fetches[0].operation
    assert "done" in fetches[0].operation
    assert (plan.fetch_count, plan.depth) == (2, 2)


def test_hidden_event_fields_get_names_of_their_own(supergraph: Supergraph) -> None:
    plan = build_plan(supergraph, "subscription { jobUpdated(id: 1) { version: name done } }")
    assert isinstance(plan.node, Subscription)
    assert isinstance(plan.node.primary, EventTrigger)
    assert plan.node.primary.version_key == "__version_0"
    assert plan.node.primary.until_key == "done"


def test_events_give_their_key_under_any_name(supergraph: Supergraph) -> None:
    plan = build_plan(supergraph, "subscription { jobUpdated(id: 1) { id: name one: id two: id } }")
    assert isinstance(plan.node, Subscription)
    assert isinstance(plan.node.primary, EventTrigger)
    assert plan.node.primary.key_sources == (("id", ("__id_0", "one", "two")),)
    (fetch,) = fetches_of(plan.node.rest)
    assert fetch.entities[0].representations[0].selections == (KeyField("id", "__id_0"),)
    assert "jobUpdated: Job { __id_0: id one: id two: id }" in str(plan)
    assert plan.to_json()["node"]["primary"]["keySources"] == {"id": ["__id_0", "one", "two"]}


def test_unknown_field(supergraph: Supergraph) -> None:
    with pytest.raises(RequestError, match="Cannot query field 'nothing' on type 'Query'"):
        build_plan(supergraph, "{ nothing }")


def test_gap_in_the_supergraph() -> None:
    """A supergraph that was never composed: no subgraph leads from a job to a user's name."""
    broken = Supergraph.from_sdl(
        HEAD.replace(
            'type User @join__type(graph: USERS, key: "id")',
            'type User @join__type(graph: USERS, key: "id", resolvable: false)',
        )
    )
    with pytest.raises(PlanningError, match=r"No subgraph gives User.name at 'job.owner'"):
        build_plan(broken, "{ job(id: 1) { owner { name } } }")


def test_prepared_operations_are_planned_too(supergraph: Supergraph) -> None:
    operation = prepare(supergraph.api_schema, "query A { me { id } } query B { job(id: 1) { id } }", "B")
    assert _operations(build_plan(supergraph, operation)) == ["jobs: query B__jobs__0 { job(id: 1) { id } }"]


def test_skipped_roots_are_not_fetched(supergraph: Supergraph) -> None:
    plan = build_plan(supergraph, "query ($x: Boolean!) { me @include(if: $x) { id } job(id: 1) { id } }")
    assert any(isinstance(node, Condition) and node.variable == "x" for node in getattr(plan.node, "nodes", ()))
    plan = build_plan(
        supergraph, "query ($x: Boolean!, $y: Boolean!) { me @include(if: $x) { id } other: me @skip(if: $y) { id } }"
    )
    assert [fetch.only_if for fetch in fetches_of(plan.node)] == [((("x", True),), (("y", False),))]


def test_requests_of_differing_conditions_are_one(supergraph: Supergraph) -> None:
    plan = build_plan(
        supergraph,
        "query ($x: Boolean!, $y: Boolean!) { me { a: jobs @include(if: $x) { id } b: jobs @skip(if: $y) { id } } }",
    )
    assert plan.fetch_count == 2
    last = list(fetches_of(plan.node))[-1]
    assert last.only_if == ((("x", True),), (("y", False),))
    assert "@include(if: $x)" in last.operation
    assert "@skip(if: $y)" in last.operation


def test_mutations_keep_their_order(supergraph: Supergraph) -> None:
    plan = build_plan(
        supergraph,
        'mutation ($x: Boolean!) { a: start(name: "a") @include(if: $x) { id } b: start(name: "b") { id } c: stop(id: 1) @skip(if: $x) { id } }',
    )
    assert plan.fetch_count == 1
    operation = next(fetches_of(plan.node)).operation
    assert operation.index(" a:") < operation.index(" b:") < operation.index(" c:")


def test_aliased_keys_of_events_need_no_fetch(supergraph: Supergraph) -> None:
    plan = build_plan(supergraph, "subscription { jobUpdated(id: 1) { id key: id } }")
    assert isinstance(plan.node, Subscription)
    (fetch,) = fetches_of(plan.node.rest)
    assert fetch.operation.endswith("{ ... on Job { version done } } }")
