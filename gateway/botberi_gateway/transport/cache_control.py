"""Several `Cache-Control` values -> the strictest, which is true of each part of an answer (RFC 9111, section 5.2)."""

from collections.abc import Sequence
from typing import Final

NO_STORE: Final = "no-store"
#: Directives that allow more: each answer has to have them, and the fewest seconds count.
_STALE: Final = ("stale-while-revalidate", "stale-if-error")
#: Directives that forbid something: one answer that has them is enough.
_FLAGS: Final = ("no-cache", "must-revalidate", "proxy-revalidate", "no-transform")


def strictest(values: Sequence[str]) -> str:
    """The value for an answer that is made of answers with these values; without any, `no-store`."""
    parsed = [_parse(value) for value in values]
    if not parsed or any(NO_STORE in directives for directives in parsed):
        return NO_STORE
    parts: list[str] = []
    if any("max-age" in directives for directives in parsed):
        parts.append(f"max-age={min(_age(directives, 'max-age') or 0 for directives in parsed)}")
    if any("s-maxage" in directives for directives in parsed):
        # An answer without it is kept by shared caches as long as its `max-age` says.
        shared = (_age(directives, "s-maxage" if "s-maxage" in directives else "max-age") for directives in parsed)
        parts.append(f"s-maxage={min(age or 0 for age in shared)}")
    for name in _STALE:
        if all(name in directives for directives in parsed):
            parts.append(f"{name}={min(_age(directives, name) or 0 for directives in parsed)}")
    if all("public" in directives for directives in parsed):
        parts.append("public")
    if any("private" in directives for directives in parsed):
        parts.append("private")
    parts += [flag for flag in _FLAGS if any(flag in directives for directives in parsed)]
    return ", ".join(parts) or "no-cache"


def _parse(value: str) -> dict[str, str]:
    directives: dict[str, str] = {}
    for item in value.split(","):
        name, _, argument = item.strip().partition("=")
        directives[name.lower()] = argument.strip('" ')
    return directives


def _age(directives: dict[str, str], name: str) -> int | None:
    text = directives.get(name)
    if text is None:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
