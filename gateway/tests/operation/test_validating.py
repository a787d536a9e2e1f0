"""Our way of running graphql-core's rules: the same errors, in the same order, as its own.

And nothing left in circles.
"""

import gc

import pytest
from graphql import ASTValidationRule, ValidationContext, build_schema, parse, validate

from botberi_gateway.operation.prepare import RULES, STRUCTURE
from botberi_gateway.operation.validating import violations

SCHEMA = build_schema("""
  directive @once on FIELD
  type Query { a: A, node(id: ID!, size: Int = 3): Node, any: Any, tags(input: Input, colour: Colour): [String] }
  type A implements Node { id: ID! a: A b(x: Int): String }
  type B implements Node { id: ID! b: String }
  interface Node { id: ID! }
  union Any = A | B
  enum Colour { RED GREEN }
  input Input { name: String! size: Int = 7 inner: Input }
  type Mutation { go: Boolean }
  type Subscription { one: Int two: Int }
""")

DOCUMENTS = [
    "{ a { id } }",
    "query($x: Int, $y: Colour) { a { b(x: $x) } tags(colour: $y) }",
    "{ nothing a { id { id } } any { id } node { id } }",
    "query($x: Nope!, $x: A, $unused: Int) { a { b(x: $x) c: b(x: $missing) } }",
    "{ a { ...F ...Missing } } fragment F on B { id } fragment Unused on Query { a { id } } fragment F on Nope { x }",
    "{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }",
    '{ tags(input: {size: "x", name: null, more: 1}, colour: BLUE, colour: RED) }',
    "{ a @skip @once(x: 1) @once @unknown { id } } query Q { a { id } } query Q { a }",
    "subscription { one two } mutation @once { go }",
    "query($v: [Input!] = [{name: 1}]) { tags(input: $v) }",
    "{ a { id: b } a { id } ... on Node { id } ... on Colour { x } }",
    "type X { y: Int } { a { id } }",
    "{ a { " + " ".join(f"u{n}" for n in range(40)) + " } }",
    "{ ...F1 } " + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(1, 600)),
]


@pytest.mark.parametrize("rules", [RULES, STRUCTURE], ids=["all rules", "structure"])
@pytest.mark.parametrize("text", DOCUMENTS, ids=lambda text: text[:40])
def test_finds_what_graphql_core_finds(text: str, rules: tuple[type[ASTValidationRule], ...]) -> None:
    document = parse(text)
    for limit in (3, 100):
        expected = validate(
            SCHEMA, document, rules, max_errors=limit, hide_suggestions=True, allow_empty_selection_sets=False
        )
        found = violations(SCHEMA, document, rules, limit)
        assert [(e.message, e.locations) for e in found] == [(e.message, e.locations) for e in expected]


def test_a_rule_can_skip_and_stop() -> None:
    """What rules give back means the same as in graphql-core's own visitors."""
    seen: dict[str, list[str]] = {}

    def rule(name: str, answer: object) -> type[ASTValidationRule]:
        class Rule(ASTValidationRule):
            def enter(self, node: object, *_: object) -> object:
                seen[name].append(node.kind)  # type: ignore[attr-defined]
                return answer if node.kind == "field" else None  # type: ignore[attr-defined]

            def leave_selection_set(self, *_: object) -> None:
                seen[name].append("left a selection set")

        return Rule

    rules = [rule("all", None), rule("skips", False), rule("stops", True), rule("too", ASTValidationRule.SKIP)]
    document = parse("{ a { id } any { __typename } }")
    outcomes = []
    for run in (lambda: validate(SCHEMA, document, rules), lambda: violations(SCHEMA, document, rules, 100)):
        seen.update((name, []) for name in ("all", "skips", "stops", "too"))
        run()
        outcomes.append(dict(seen))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0]["skips"].count("left a selection set") == 1


def test_leaves_no_rules_for_the_garbage_collector() -> None:
    document = parse("query($x: Int) { a { b(x: $x) } }")
    violations(SCHEMA, document, RULES, 100)
    gc.collect()
    gc.disable()
    try:
        violations(SCHEMA, document, RULES, 100)
        # By `type`: `isinstance` asks objects of others for their class, and lazy ones among them may raise.
        left = [
            one
            for one in gc.get_objects()
            if issubclass(type(one), ASTValidationRule | ValidationContext) and one.__dict__
        ]
        assert left == []
    finally:
        gc.enable()
