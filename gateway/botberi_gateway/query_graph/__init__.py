"""The query graph: which subgraph resolves which field, and by which keys objects enter it.

Composition proves with it, the planner plans.
"""

from botberi_gateway.query_graph.field_set import FieldSet, KeyPart, key_parts, parse_field_set
from botberi_gateway.query_graph.graph import QueryGraph, query_graph
from botberi_gateway.query_graph.labels import Labels, open_labels, percentage
from botberi_gateway.query_graph.model import FieldType, Host, KeyEdge, Resolver, SubgraphField, SubgraphType

__all__ = [
    "FieldSet",
    "FieldType",
    "Host",
    "KeyEdge",
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
