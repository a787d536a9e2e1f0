"""Operation -> plan: walk, choose, fetch graph, optimise, emit."""

from botberi_gateway.planner.build import build_plan

__all__ = ["build_plan"]
