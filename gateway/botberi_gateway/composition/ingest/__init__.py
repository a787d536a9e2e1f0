"""Subgraph SDL -> `SubgraphSchema`, with every fault that can be seen in one subgraph's text alone."""

from botberi_gateway.composition.ingest.read import Text, build, read
from botberi_gateway.composition.ingest.names import graph_names
from botberi_gateway.composition.ingest.upgrade import upgrade
from botberi_gateway.composition.ingest.usage import note_usage

__all__ = ["Text", "build", "graph_names", "note_usage", "read", "upgrade"]
