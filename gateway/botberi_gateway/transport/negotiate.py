"""`Accept` and `Content-Type` -> media types (GraphQL over HTTP, sections 4 and 6)."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from botberi_gateway.executor import PathForm, PayloadForm, PendingForm

JSON: Final = "application/json"
GRAPHQL_JSON: Final = "application/graphql-response+json"
EVENT_STREAM: Final = "text/event-stream"
HTML: Final = "text/html"
MULTIPART: Final = "multipart/mixed"
#: `deferSpec` of Apollo's clients.
PATH_SPEC: Final = "20220824"

#: In the order of our preference where the client has none: `*/*` gets plain JSON, as clients of old expect.
_ANSWERS: Final = (JSON, GRAPHQL_JSON)
#: Entries of one header that are looked at.
MAX_ITEMS: Final = 32
_MAX_CACHED_CHARACTERS: Final = 256


def parse_media_type(text: str) -> tuple[str, Mapping[str, str]]:
    """`type/subtype; name=value` -> (lower-case essence, parameters).

    Never fails: of nonsense it makes an essence that matches nothing.
    """
    essence, *rest = text.split(";", 16)
    parameters = {}
    for item in rest:
        name, _, value = item.partition("=")
        parameters[name.strip().lower()] = value.strip().strip('"')
    return essence.strip().lower(), parameters


def accepted(accept: str | None) -> list[tuple[float, int, str]]:
    """Each range of an `Accept` header as (weight, specificity, range); weight 0 is a refusal.

    A range with a charset that isn't UTF-8 is left out.
    """
    ranges = []
    for item in (accept or "*/*").split(",", MAX_ITEMS)[:MAX_ITEMS]:
        essence, parameters = parse_media_type(item)
        try:
            weight = float(parameters.get("q", "1"))
        except ValueError:
            weight = -1.0
        if not essence or not 0 <= weight <= 1 or not is_utf8(parameters.get("charset")):
            continue
        specificity = 0 if essence == "*/*" else 1 if essence.endswith("/*") else 2
        ranges.append((weight, specificity, essence))
    return ranges


def choose(accept: str | None, offered: Sequence[str] = _ANSWERS) -> str | None:
    """The offered type that the client likes best, None where it accepts none of them."""
    if accept is not None and len(accept) > _MAX_CACHED_CHARACTERS:
        return _choose(accept, tuple(offered))
    return _choose_kept(accept, tuple(offered))


def _choose(accept: str | None, offered: tuple[str, ...]) -> str | None:
    ranges = accepted(accept)
    best: tuple[float, int, int] | None = None
    answer = None
    for place, media_type in enumerate(offered):
        fits = [(s, w) for w, s, r in ranges if r in ("*/*", media_type, media_type.split("/")[0] + "/*")]
        if not fits:
            continue
        # The most specific range decides the weight (RFC 9110, section 12.5.1).
        specificity, weight = max(fits)
        rank = (weight, specificity, -place)
        if weight == 0:
            continue
        if best is None or rank > best:
            best, answer = rank, media_type
    return answer


#: Clients send few different headers, each a thousand times.
_choose_kept = lru_cache(maxsize=512)(_choose)


def part_form(accept: str | None) -> PayloadForm | None:
    """The form in which to deliver deferred parts.

    None where the client doesn't name one in `Accept`, or prefers an answer in one piece.
    """
    if accept is None or "multipart" not in accept.lower():
        return None
    best: tuple[float, PayloadForm] | None = None
    for item in (accept or "").split(",", MAX_ITEMS)[:MAX_ITEMS]:
        essence, parameters = parse_media_type(item)
        if essence != MULTIPART:
            continue
        try:
            weight = float(parameters.get("q", "1"))
        except ValueError:
            continue
        if 0 < weight <= 1 and (best is None or weight > best[0]):
            best = (weight, PathForm() if parameters.get("deferspec") == PATH_SPEC else PendingForm())
    if best is None or any(w > best[0] for w, s, r in accepted(accept) if s == 2 and r in _ANSWERS):
        return None
    return best[1]


def prefers_html(accept: str | None) -> bool:
    """Whether this is a browser that opens a page: HTML is named, and preferred to JSON."""
    named = any(essence == HTML and weight > 0 for weight, _, essence in accepted(accept))
    return named and choose(accept, (HTML, *_ANSWERS)) == HTML


@lru_cache(maxsize=256)
def _is_json(content_type: str) -> bool:
    essence, parameters = parse_media_type(content_type)
    return essence == JSON and is_utf8(parameters.get("charset"))


def is_json(content_type: str) -> bool:
    """Whether a `content-type` is JSON in UTF-8."""
    if len(content_type) > _MAX_CACHED_CHARACTERS:
        return _is_json.__wrapped__(content_type)
    return _is_json(content_type)


def is_utf8(charset: str | None) -> bool:
    """Whether the charset is UTF-8, or none is named."""
    return charset is None or charset.lower() in ("utf-8", "utf8")
