"""Fields at positions -> fetch groups: for each field the subgraph that gives it and the way there, by least cost under a policy."""

from botberi_gateway.planner.choose.chooser import Chooser
from botberi_gateway.planner.choose.policy import Outcome, Policy, RequestKey

__all__ = ["Chooser", "Outcome", "Policy", "RequestKey"]
