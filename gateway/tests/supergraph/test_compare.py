"""The comparison finds every change of meaning and no other."""

import pytest

from botberi_gateway.supergraph import read_supergraph
from botberi_gateway.supergraph.compare import differences
from gateway.tests.supergraph.test_print import RICH

BASE = read_supergraph(RICH)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('@join__field(graph: A) @deprecated(reason: "old")', '@deprecated(reason: "old") @join__field(graph: A)'),
        ('key: "sku { code }"', 'key: "sku{code}"'),
        ('provides: "name"', 'provides: " name "'),
        ("go: Boolean", "go: Boolean @join__field(graph: A)"),
        ("{kind: ONE, list: [1, 2]}", "{list: [1, 2], kind: ONE}"),
        ('"one line"', '"""\n  one\n  line\n  """'),
        ("join/v0.5", "join/v0.3"),
        ("A @join__graph", "C @join__graph"),
        ('type: "Kind!") @join__field(graph: B)', 'type: "Kind!") @join__field(graph: B, type: "Kind")'),
    ],
    ids=lambda text: text[:20],
)
def test_other_ways_to_write_the_same(old: str, new: str) -> None:
    assert old in RICH
    text = RICH.replace(old, new)
    if old.startswith("A @join__graph"):
        text = text.replace("graph: A", "graph: C").replace("graphs: [A]", "graphs: [C]")
        found = differences(BASE, read_supergraph(text))
        assert all("join__directive" in line for line in found)
        return
    assert differences(BASE, read_supergraph(text)) == []


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('key: "sku { code }", resolvable: false', 'key: "sku { code }"', "types.Thing.joins"),
        ("extension: true", "extension: false", "types.Thing.joins"),
        ("go: Boolean", "go: Boolean!", "types.Change.fields.go.type"),
        ("go: Boolean", "go: Boolean stop: Boolean", "types.Change.fields.stop"),
        ('requires: "name"', 'requires: "id"', "types.Thing.fields.label.joins"),
        ('overrideLabel: "percent(5)"', 'overrideLabel: "percent(6)"', "types.Query.fields.thing.joins"),
        ('id: ID! = "x"', 'id: ID! = "y"', "types.Query.fields.thing.arguments.id.default"),
        ('name: "public"', 'name: "secret"', "types.Thing.directives"),
        ("ONE @join__enumValue(graph: A)", "ONE @join__enumValue(graph: B)", "types.Kind.values.ONE.graphs"),
        ('"one line"', '"another line"', "types.Query.fields.thing.description"),
        ('url: ""', 'url: "http://b"', "graphs.b"),
        ("mutation: Change", "subscription: Change", "roots.mutation"),
        ('selection: "{ x }"', 'selection: "{ y }"', "types.Thing.fields.label.joins"),
        ("list: [Int!]", "list: [Int]", "types.Filter.inputFields.list.type"),
        ("repeatable on FIELD_DEFINITION | OBJECT", "repeatable on OBJECT", "directives.tag.locations"),
    ],
    ids=lambda text: text[:20],
)
def test_changes_are_found_where_they_are(old: str, new: str, where: str) -> None:
    assert old in RICH
    found = differences(BASE, read_supergraph(RICH.replace(old, new, 1)))
    assert any(line.startswith(f"{where}:") for line in found), found
