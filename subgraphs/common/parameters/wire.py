"""Framing of a message between the pool and its processes: its length in four bytes, and then JSON."""

from typing import Final

HEADER: Final = 4
