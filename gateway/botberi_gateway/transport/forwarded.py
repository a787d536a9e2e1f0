"""`X-Forwarded-For` and `Forwarded` (RFC 7239) -> the chain of addresses that proxies report, the client's first."""

import re
from typing import Final

#: An address with or without a port, as either header has it: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`,
#: `[2001:db8::1]:80`.
_NODE: Final = re.compile(
    r"\[(?P<bracketed>[0-9A-Fa-f:.%\w]+)\](?::\w{1,8})?|(?P<four>[0-9.]+)(?::\w{1,8})?|(?P<plain>[0-9A-Fa-f:.]+)"
)
_WORD: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
#: One `name=value`, and what follows it: `;` goes on with the element, `,` begins the next one.
_PAIR: Final = re.compile(rf"[ \t]*(?:(?P<name>{_WORD})=(?P<value>{_WORD}|{_QUOTED}))?[ \t]*(?P<next>[;,]|\Z)")


def parse_forwarded_for(header: str, max_hops: int) -> list[str | None]:
    """The addresses, the last hop's last; None for what is no address.

    More than `max_hops` are cut off by a None at the left.
    """
    entries = header.rsplit(",", max_hops)
    chain: list[str | None] = [_address(entry.strip(" \t")) for entry in entries]
    if len(entries) > max_hops:
        chain[0] = None
    return chain


def parse_forwarded(header: str, max_hops: int) -> list[str | None]:
    """The `for` of each element; None where it has none, or one that is no address (`unknown`, `_hidden`).

    A header that isn't as the RFC has it is a chain of one None: a quote that a client leaves open must not swallow
    what proxies append.
    """
    chain: list[str | None] = []
    address: str | None = None
    position, seen, ended = 0, False, False
    while not ended:
        pair = _PAIR.match(header, position)
        if pair is None:
            return [None]
        position = pair.end()
        if pair["name"] is not None and pair["name"].lower() == "for":
            if seen:
                return [None]
            seen, address = True, _address(_unquoted(pair["value"]))
        ended = not pair["next"]
        if pair["next"] != ";":
            chain.append(address)
            address, seen = None, False
    return [None, *chain[-max_hops:]] if len(chain) > max_hops else chain


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _address(node: str) -> str | None:
    match = _NODE.fullmatch(node)
    return None if match is None else match["bracketed"] or match["four"] or match["plain"]
