"""Who answers which field, and by which key: composition walks it to prove, the planner to plan."""

from gateway.query_graph.field_set import FieldSet, KeyPart, key_parts, parse_field_set
from gateway.query_graph.graph import Entry, Labels, QueryGraph, Resolver, SubgraphField, SubgraphType, query_graph

__all__ = [
    "Entry",
    "FieldSet",
    "KeyPart",
    "Labels",
    "QueryGraph",
    "Resolver",
    "SubgraphField",
    "SubgraphType",
    "key_parts",
    "parse_field_set",
    "query_graph",
]
