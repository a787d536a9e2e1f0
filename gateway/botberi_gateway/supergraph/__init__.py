"""The supergraph in memory, read from and printed as join-specification SDL; the API schema that clients see."""

from botberi_gateway.supergraph.model import (
    ContextArgument,
    EnumValue,
    Graph,
    InputField,
    JoinField,
    JoinImplements,
    JoinMember,
    JoinType,
    SupergraphData,
    SupergraphField,
    SupergraphType,
    TypeKind,
)
from botberi_gateway.supergraph.supergraph import Supergraph, read_supergraph

__all__ = [
    "ContextArgument",
    "EnumValue",
    "Graph",
    "InputField",
    "JoinField",
    "JoinImplements",
    "JoinMember",
    "JoinType",
    "Supergraph",
    "SupergraphData",
    "SupergraphField",
    "SupergraphType",
    "TypeKind",
    "read_supergraph",
]
