"""Fields at positions -> fetch groups.

For each field a subgraph is chosen that gives it, and a way there, by least cost under a policy.
"""

from botberi_gateway.planner.choose.chooser import Chooser
from botberi_gateway.planner.choose.policy import Outcome, Policy, RequestKey

__all__ = ["Chooser", "Outcome", "Policy", "RequestKey"]
