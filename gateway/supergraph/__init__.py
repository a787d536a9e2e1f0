"""The supergraph in memory, read from and printed as join-specification SDL; the API schema that clients see."""

from gateway.supergraph.model import (
    EnumValue,
    Graph,
    InputField,
    JoinField,
    JoinImplements,
    JoinMember,
    JoinType,
    Supergraph,
    SupergraphField,
    SupergraphType,
    TypeKind,
)
from gateway.supergraph.read import read_supergraph

__all__ = [
    "EnumValue",
    "Graph",
    "InputField",
    "JoinField",
    "JoinImplements",
    "JoinMember",
    "JoinType",
    "Supergraph",
    "SupergraphField",
    "SupergraphType",
    "TypeKind",
    "read_supergraph",
]
