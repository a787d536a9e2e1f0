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
_MOST: Final = 32
_LONGEST_KEPT: Final = 256


def parse_media_type(text: str) -> tuple[str, Mapping[str, str]]:
    """`type/subtype; name=value` -> (lower-case essence, parameters). Never fails: nonsense is an essence nobody knows."""
    essence, *rest = text.split(";", 16)
    parameters = {}
    for item in rest:
        name, _, value = item.partition("=")
        parameters[name.strip().lower()] = value.strip().strip('"')
    return essence.strip().lower(), parameters


def accepted(accept: str | None) -> list[tuple[float, int, str]]:
    """(weight, specificity, range) of each range, weight 0 being a refusal; a range with a charset that isn't UTF-8 is left out."""
    ranges = []
    for item in (accept or "*/*").split(",", _MOST)[:_MOST]:
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
    if accept is not None and len(accept) > _LONGEST_KEPT:
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
    """How to deliver in parts; None where the client doesn't ask for it by name, or likes an answer in one piece better."""
    if accept is None or "multipart" not in accept.lower():
        return None
    best: tuple[float, PayloadForm] | None = None
    for item in (accept or "").split(",", _MOST)[:_MOST]:
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
    """A browser's navigation: HTML is named, and liked better than JSON."""
    named = any(essence == HTML and weight > 0 for weight, _, essence in accepted(accept))
    return named and choose(accept, (HTML, *_ANSWERS)) == HTML


@lru_cache(maxsize=256)
def _is_json(content_type: str) -> bool:
    essence, parameters = parse_media_type(content_type)
    return essence == JSON and is_utf8(parameters.get("charset"))


def is_json(content_type: str) -> bool:
    """A `content-type` of JSON in UTF-8."""
    if len(content_type) > _LONGEST_KEPT:
        return _is_json.__wrapped__(content_type)
    return _is_json(content_type)


def is_utf8(charset: str | None) -> bool:
    """UTF-8, said or assumed."""
    return charset is None or charset.lower() in ("utf-8", "utf8")
