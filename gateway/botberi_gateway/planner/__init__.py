"""Operation -> plan: walk, choose, emit, measure (README.md)."""

from botberi_gateway.planner.build import build_plan

__all__ = ["build_plan"]
