"""Names of subgraphs -> values of `join__Graph`."""

import re
from collections.abc import Sequence


def graph_names(names: Sequence[str]) -> dict[str, str]:
    """Each name in capitals, with `_` for other characters and a number where two are equal (join specification)."""
    names_of: dict[str, list[str]] = {}
    for name in names:
        text = re.sub(r"[^A-Za-z0-9_]", "_", name)
        if not text or text[0].isdigit():
            text = f"_{text}"
        if re.search(r"_\d+$", text):  # a number at the end makes equal names different
            text += "_"
        names_of.setdefault(text.upper(), []).append(name)
    return {
        name: text if len(group) == 1 else f"{text}_{index}"
        for text, group in names_of.items()
        for index, name in enumerate(group, 1)
    }
