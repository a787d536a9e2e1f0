"""The plan as a whole: its nodes, its measures, its printed forms."""

from dataclasses import dataclass, field
from typing import Any

from botberi_gateway.plan.apollo import plan_json
from botberi_gateway.plan.mermaid import plan_mermaid
from botberi_gateway.plan.nodes import OperationKind, PlanNode, Subscription, Withheld
from botberi_gateway.plan.text import plan_text


@dataclass(frozen=True, slots=True)
class Plan:
    """What to fetch, from where, in which order. `node` is None where introspection alone answers the operation."""

    kind: OperationKind
    node: PlanNode | Subscription | None
    #: Counts over the whole plan, as the conformance data counts them.
    fetch_count: int = 0
    depth: int = 0
    notes: tuple[str, ...] = field(default=())
    #: What the executor answers with null, though it is selected and nothing is wrong.
    withheld: tuple[Withheld, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Apollo's query-plan JSON.

        A fetch of several `_entities` fields or places is a `BatchFetch`, as Hive's plans have it.
        """
        return plan_json(self.node)

    def to_mermaid(self) -> str:
        """A flowchart: steps from left to right, each fetch with its reasons."""
        return plan_mermaid(self.node)

    def __str__(self) -> str:
        return plan_text(self.node)
