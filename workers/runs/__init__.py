"""A run's states on Postgres: who holds it, what it writes, and what becomes of a lost one."""

from workers.runs.store import Claim, Fenced, RunStore, Watch
from workers.runs.reaper import Reaper

__all__ = ["Claim", "Fenced", "Reaper", "RunStore", "Watch"]
