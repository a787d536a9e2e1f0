"""A number -> an instance's parameters, and what its run must compute."""

from functools import lru_cache
from typing import Any, Final

from workers.registry import WORKFLOWS
from workers.workflow import SilentContext

#: A real workflow that takes some milliseconds.
AGENT: Final = "text-insights"
_KINDS: Final = 20
_TEXTS: Final = (
    "The coffee is wonderful and the delivery was fast. I love it.",
    "Terrible service: the package arrived broken and no one answered.",
    "It is a coffee machine.",
    "The staff was friendly, the food cold, the bill too high.",
)


def parameters(number: int) -> dict[str, Any]:
    """The parameters of the n-th instance; every tenth run has more to read."""
    kind = number % _KINDS
    many = 120 if kind % 10 == 9 else 2
    texts = [f"{_TEXTS[(kind + place) % len(_TEXTS)]} Order {kind} of day {place}." for place in range(many)]
    return {"texts": texts, "max_topics": 0}


@lru_cache(maxsize=_KINDS)
def _result(kind: int) -> dict[str, Any]:
    workflow = WORKFLOWS[AGENT]
    given = workflow.input_model.model_validate(parameters(kind))
    found: dict[str, Any] = workflow.run(given, SilentContext()).model_dump(mode="json")
    return found


def result(number: int) -> dict[str, Any]:
    """Result that the n-th instance's run must have."""
    return _result(number % _KINDS)
