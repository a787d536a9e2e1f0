"""A place in a JSON value, as people write it: `texts[3].language`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from json import dumps
from typing import Final

Steps = Sequence[str | int]

#: Names and values that users send are shown up to so many characters.
MAX_NAME: Final = 60
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def place(steps: Steps) -> str:
    """The steps from the outermost value, joined; empty for that value itself."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_NAME.fullmatch(step) and len(step) <= MAX_NAME:
            text += f".{step}" if text else step
        else:
            text += f"[{quoted(step)}]"
    return text


def quoted(value: object) -> str:
    """A value as JSON in ASCII, cut where it is long."""
    return shown(dumps(value, ensure_ascii=True, default=str))


def shown(text: str) -> str:
    """A text, cut where it is long."""
    return text if len(text) <= MAX_NAME else text[:MAX_NAME] + "…"
