"""A display name -> what is wrong with it: unseen characters, or a name that passes for the platform's own.

Display names stand beside agents as their publisher, so no account may have the built-in publisher's name,
nor anything that looks so: the package `decancer` knows which letters of other scripts, digits and signs do.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from decancer_py import parse

from subgraphs.common.errors import FieldProblem
from subgraphs.common.names import deceptive_character, unseen

MAXIMUM_NAME = 120
# Names that speak for the platform's people; refused as the whole name, however it is written.
_OFFICES = ("admin", "administrator", "moderator", "official", "root", "staff", "support", "system")


def normalised_name(name: str) -> str:
    """The form in which a name is stored: composed characters, and no space about it."""
    # One character more than is allowed, so that a longer name is still seen as too long.
    return unicodedata.normalize("NFC", name[: MAXIMUM_NAME * 4]).strip()


def name_problems(field: str, name: str) -> list[FieldProblem]:
    """Problems of a name that people read."""
    if not name:
        return [FieldProblem((field,), "This must not be empty.")]
    if len(name) > MAXIMUM_NAME:
        return [FieldProblem((field,), f"At most {MAXIMUM_NAME} characters are allowed.")]
    if character := deceptive_character(name):
        return [FieldProblem((field,), unseen(character))]
    return []


def display_name_problems(field: str, name: str, reserved: Sequence[str]) -> list[FieldProblem]:
    """Problems of a name under which others see an account; none may hold a `reserved` one."""
    if problems := name_problems(field, name):
        return problems
    if _imitates(name, reserved):
        return [FieldProblem((field,), "This name looks like one of the platform's own; take another.")]
    return []


def _imitates(name: str, reserved: Sequence[str]) -> bool:
    # Compared by what the eye sees: signs and spaces between letters are skipped, and `0` may be `o`.
    seen = parse("".join(character for character in name if character.isalnum() or not character.isascii()))
    return any(word.casefold() in seen for word in reserved) or any(seen == office for office in _OFFICES)
