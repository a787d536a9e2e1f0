"""Kinds of graphs beyond the plain ones: each module adds one to a graph that is being made.

They draw from a `random.Random` of their own (`Maker.kinds`), so that a new kind changes other graphs as little as
possible.
"""

from collections.abc import Mapping
from typing import Final

#: What a run has to meet (`Report.features`), by kind; each in at least `SHARE` of all pairs.
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "types with several interfaces": ("type with several interfaces", "fragment on another interface"),
    "interface objects": ("field of an interface object", "several interface objects in one subgraph"),
    "@provides and interfaces": ("@provides on a field of an interface", "provided field of a type with interfaces"),
    "@inaccessible": ("graph with @inaccessible", "graph with a hidden type", "value of a hidden type"),
    "null keys": ("key with a null",),
    "unknown entities": ("entity that its subgraph doesn't know",),
    "custom scalars": ("custom scalar", "key of a custom scalar"),
    "renamed roots": ("field of a renamed root type", "field that gives the root type again"),
    "federation 1": ("federation 1 supergraph (join v0.1)", "federation 1 schemas, composed"),
    "field sets with __typename": ("__typename inside a field set",),
    "written otherwise": ("defaults written otherwise", "argument written otherwise"),
}

#: 500 of 100,000.
SHARE: Final = 0.005
