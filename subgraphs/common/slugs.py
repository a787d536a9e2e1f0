"""Slugs: the names of agents and templates in addresses."""

from __future__ import annotations

import re
from typing import Final

#: Characters; as the columns have it.
MAXIMUM_SLUG: Final = 80
_SLUG: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def is_slug(text: str, maximum: int = MAXIMUM_SLUG) -> bool:
    """Words of a-z and 0-9 joined by single hyphens, of at most `maximum` characters."""
    return len(text) <= maximum and _SLUG.fullmatch(text) is not None
