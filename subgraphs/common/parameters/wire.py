"""How the pool and its processes frame a message: its length in four bytes, and then JSON."""

from typing import Final

HEADER: Final = 4
