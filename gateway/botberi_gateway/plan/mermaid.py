"""Plan nodes -> a Mermaid flowchart."""

from botberi_gateway.plan.nodes import Condition, Defer, EventTrigger, Fetch, Parallel, PlanNode, Sequence, Subscription
from botberi_gateway.plan.text import path_text


def plan_mermaid(node: PlanNode | Subscription | None) -> str:
    """`flowchart LR` with a box for each fetch, an arrow where one waits for another."""
    chart = _Chart()
    if node is not None:
        chart.add(node, ["request"], "")
    return "\n".join(["flowchart LR", "  request([request])", *chart.lines])


class _Chart:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, node: PlanNode | Subscription, before: list[str], label: str) -> list[str]:
        """Draw `node` behind the boxes `before`; the boxes that it ends with."""
        match node:
            case Fetch():
                return self._box(f"f{node.id}", _title(node), before, label)
            case Sequence(nodes):
                for index, inner in enumerate(nodes):
                    before = self.add(inner, before, "" if index else label)
                return before
            case Parallel(nodes):
                return [end for inner in nodes for end in self.add(inner, before, label)]
            case Condition(variable, if_true, if_false):
                ends = []
                if if_true is not None:
                    ends += self.add(if_true, before, f"if {variable}")
                if if_false is not None:
                    ends += self.add(if_false, before, f"unless {variable}")
                return ends
            case Defer(primary, parts):
                ends = before if primary is None else self.add(primary, before, label)
                for part in parts:
                    if part.node is not None:
                        needed = [f"f{fetch}" for fetch in part.depends]
                        self.add(part.node, needed or before, f"deferred {part.label or ''}".strip())
                return ends
            case Subscription(primary, rest):
                if isinstance(primary, EventTrigger):
                    ends = self._box("event", f"events {', '.join(primary.topics)}", before, label)
                else:
                    ends = self.add(primary, before, label)
                return ends if rest is None else self.add(rest, ends, "each")
        raise TypeError(node)

    def _box(self, name: str, title: str, before: list[str], label: str) -> list[str]:
        self.lines.append(f'  {name}["{title}"]')
        arrow = f"-->|{label}|" if label else "-->"
        self.lines += [f"  {other} {arrow} {name}" for other in before]
        return [name]


def _title(fetch: Fetch) -> str:
    lines = [f"{fetch.id}: {fetch.subgraph}"]
    lines += [".".join(path_text(path)) for entities in fetch.entities for path in entities.paths][:4]
    lines += list(fetch.reasons)[:4]
    return "<br/>".join(line.replace('"', "#quot;") for line in lines)
