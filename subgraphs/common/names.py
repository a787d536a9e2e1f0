"""A name that people read -> what in it deceives them: characters that are not seen, or that reorder what is seen."""

from __future__ import annotations

import unicodedata

# Categories: controls, formats (bidirectional and zero-width characters are formats), lone surrogates,
# private use, line and paragraph separators.
_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters of words, yet drawn as nothing: Hangul and Khmer fillers, the braille blank, combining grapheme joiner.
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
# Joiners and selectors that emoji and some scripts need; they must stand beside something that can use them.
_ZERO_WIDTH_JOINER = "\u200d"
_ZERO_WIDTH_NON_JOINER = "\u200c"
_VARIATION_SELECTORS = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
_MONGOLIAN_SELECTORS = frozenset("\u180b\u180c\u180d\u180f")
_MAX_MARKS = 4


def deceptive_character(name: str) -> str | None:
    """Name of the first character that may not stand in a name (`U+202E`), or None."""
    marks = 0
    for position, character in enumerate(name):
        category = unicodedata.category(character)
        if position == 0 and category in ("Mn", "Me"):
            return f"{_code(character)}, a mark without a letter"
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks > _MAX_MARKS:
            return f"{_code(character)}, more than {_MAX_MARKS} marks on one letter"
        if character in _BLANKS:
            return _code(character)
        if category in _CATEGORIES and not _joins(name, position):
            return _code(character)
        if character in _VARIATION_SELECTORS | _MONGOLIAN_SELECTORS and not _selects(name, position):
            return _code(character)
    return None


def _joins(name: str, position: int) -> bool:
    """True if a joiner stands between two characters that it can join: emoji, or letters of a script with joiners."""
    if name[position] not in (_ZERO_WIDTH_JOINER, _ZERO_WIDTH_NON_JOINER):
        return False
    if not 0 < position < len(name) - 1:
        return False
    before, after = name[position - 1], name[position + 1]
    if name[position] == _ZERO_WIDTH_JOINER and _is_pictograph(before) and _is_pictograph(after):
        return True
    return _has_joiners(before) and _has_joiners(after)


def _selects(name: str, position: int) -> bool:
    """True if a variation selector follows a symbol, an ideograph or a Mongolian letter, whose look it selects."""
    before = name[position - 1] if position else ""
    if not before or before in _VARIATION_SELECTORS:
        return False
    if name[position] in _MONGOLIAN_SELECTORS:
        return 0x1820 <= ord(before) <= 0x18AA
    return _is_pictograph(before) or before in "0123456789#*" or unicodedata.name(before, "").startswith("CJK")


def _is_pictograph(character: str) -> bool:
    return unicodedata.category(character) in ("So", "Sk", "Sm") or character in _VARIATION_SELECTORS


def _has_joiners(character: str) -> bool:
    """True if the character's script spells with joiners: Arabic, Syriac, the scripts of India, Khmer and others."""
    code = ord(character)
    return 0x0600 <= code <= 0x08FF or 0x0900 <= code <= 0x0DFF or 0x0F00 <= code <= 0x109F or 0x1780 <= code <= 0x18AF


def _code(character: str) -> str:
    return f"U+{ord(character):04X}"


def unseen(character: str) -> str:
    """Message that refuses a name for the character that `deceptive_character` gave."""
    return f"Control, bidirectional and invisible characters are not allowed ({character})."
