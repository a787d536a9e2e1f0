"""A case -> an arena of the fuzzer: every executor's answers, compared with graphql-core's on one monolith."""

from collections.abc import Mapping
from typing import Any

from gateway.tests.conformance.folders import Folder
from gateway.tests.conformance.monolith import monolith
from gateway.tests.conformance.written import WrittenFacts
from lab.fuzzing.graph import Graph
from lab.fuzzing.pair import Arena
from lab.fuzzing.world import Facts, Trouble


class WrittenArena(Arena):
    """Facts come from `data.json` where the case has one; else they are made from the schema."""

    def __init__(self, folder: Folder) -> None:
        whole = folder.text("monolith.graphql") or monolith(folder.subgraphs)
        graph = Graph(whole, folder.subgraphs, folder.text("supergraph.graphql") or "")
        super().__init__(graph, labels=frozenset(folder.words("Labels")))
        self._data: Mapping[str, Any] | None = folder.json("data.json")
        self._unknown: Mapping[str, list[str]] = (folder.json("trouble.json") or {}).get("unknown", {})

    def facts(self, trouble: Trouble) -> Facts:
        """As `Arena.facts`."""
        if self._data is None:
            return super().facts(trouble)
        return WrittenFacts(self.world, trouble, self._data, self._unknown)
