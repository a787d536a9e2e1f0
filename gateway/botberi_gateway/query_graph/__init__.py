"""Who answers which field, and by which key: composition walks it to prove, the planner to plan."""

from botberi_gateway.query_graph.field_set import FieldSet, KeyPart, key_parts, parse_field_set
from botberi_gateway.query_graph.graph import (
    Entry,
    Host,
    QueryGraph,
    Resolver,
    SubgraphField,
    SubgraphType,
    query_graph,
)
from botberi_gateway.query_graph.labels import Labels, open_labels, percentage

__all__ = [
    "Entry",
    "FieldSet",
    "Host",
    "KeyPart",
    "Labels",
    "QueryGraph",
    "Resolver",
    "SubgraphField",
    "SubgraphType",
    "key_parts",
    "open_labels",
    "parse_field_set",
    "percentage",
    "query_graph",
]
