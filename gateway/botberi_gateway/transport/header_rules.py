"""Header rules of the configuration -> what a subgraph gets of a client's headers, and a client of subgraphs' answers.

`HeadersConfig` has the rules; `Identity` applies them to every transport alike.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from botberi_gateway.config import (
    HeaderAction,
    HeaderMerge,
    HeadersConfig,
    RequestHeaderRule,
    ResponseHeaderRule,
)
from botberi_gateway.transport.cache_control import NO_STORE, strictest

#: A token of RFC 9110, section 5.6.2.
HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: Never sent to subgraphs, whatever the configuration says: they belong to one connection, or would reframe the
#: request.
NEVER_SENT: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer"),
        *("transfer-encoding", "upgrade", "host", "expect", "content-length", "content-type", "content-encoding"),
        *("accept", "accept-encoding", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol"),
        *("sec-websocket-extensions", "sec-websocket-accept", "http2-settings"),
    }
)
#: Headers in which proxies report the client's address: where one is forwarded, the address that the gateway found
#: stands in it.
ADDRESS_HEADERS: Final = frozenset(
    {
        "x-forwarded-for",
        "forwarded",
        "x-real-ip",
        "x-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "fastly-client-ip",
    }
)
#: Other headers that only a trusted proxy may set.
PROXY_HEADERS: Final = frozenset({"x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix"})
#: Never sent to clients: they are about a subgraph's answer, or decide which sites may read the gateway's.
_NEVER_ANSWERED: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "te", "trailer", "transfer-encoding"),
        *("upgrade", "content-length", "content-type", "content-encoding", "date", "server", "accept-ranges"),
        *("access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-headers"),
        *("access-control-allow-methods", "access-control-expose-headers", "access-control-max-age"),
    }
)
#: Patterns leave out what has to be named.
_NAMED_ONLY: Final = NEVER_SENT | ADDRESS_HEADERS | PROXY_HEADERS | {"cookie", "authorization"}
_NAMED_ONLY_ANSWERED: Final = _NEVER_ANSWERED | {"set-cookie"}
#: A longer name matches no pattern: a client chooses the names, and a pattern may take long for a long one.
_MAX_MATCHED_CHARACTERS: Final = 128

#: Adds to what a subgraph gets, or takes from it, by the client's headers.
_Step: TypeAlias = Callable[[dict[str, str], Mapping[str, str]], None]


class RequestRules:
    """The rules for the requests to subgraphs."""

    def __init__(self, config: HeadersConfig, internal: frozenset[str] = frozenset()) -> None:
        """`internal` are headers that only the gateway may send. Raises `ValueError` for a rule that is wrong."""
        self._names: set[str] = set()
        self._patterns: list[re.Pattern[str]] = []
        never = NEVER_SENT | internal
        self._common = [self._step(rule, never) for rule in config.all.request]
        self._own = {
            subgraph: [self._step(rule, never) for rule in rules.request]
            for subgraph, rules in config.subgraphs.items()
        }
        self.is_empty = not self._common and not any(self._own.values())

    def _step(self, rule: RequestHeaderRule, never: frozenset[str]) -> _Step:
        name, pattern = _check(rule, never)
        if rule.action is HeaderAction.INSERT:
            return _inserting(name, rule.value or "")
        if rule.action is HeaderAction.REMOVE:
            return _removing(name, pattern)
        if pattern is not None:
            self._patterns.append(pattern)
            return _propagating_all(pattern, _NAMED_ONLY | never)
        if name in ADDRESS_HEADERS | PROXY_HEADERS:
            raise ValueError(f"{name!r} is for forward_headers, which sends the address that the gateway found")
        self._names.add(name)
        target = _target(rule.rename, never) or name
        return _propagating(name, target, rule.default)

    def reads(self, name: str) -> bool:
        """Whether a subgraph may get this header of a client (lower case)."""
        return name in self._names or (
            name not in _NAMED_ONLY and any(_matches(pattern, name) for pattern in self._patterns)
        )

    def apply(self, subgraph: str, sent: dict[str, str], headers: Mapping[str, str]) -> None:
        """Change `sent`, what a request to the subgraph has, by the rules and the client's `headers`."""
        for step in self._common:
            step(sent, headers)
        for step in self._own.get(subgraph, ()):
            step(sent, headers)


def _propagating(name: str, target: str, default: str | None) -> _Step:
    def step(sent: dict[str, str], headers: Mapping[str, str]) -> None:
        value = headers.get(name, default)
        if value is not None:
            sent[target] = value

    return step


def _propagating_all(pattern: re.Pattern[str], excluded: frozenset[str]) -> _Step:
    def step(sent: dict[str, str], headers: Mapping[str, str]) -> None:
        for name, value in headers.items():
            if name not in excluded and _matches(pattern, name):
                sent[name] = value

    return step


def _inserting(name: str, value: str) -> _Step:
    def step(sent: dict[str, str], _: Mapping[str, str]) -> None:
        sent[name] = value

    return step


def _removing(name: str, pattern: re.Pattern[str] | None) -> _Step:
    def step(sent: dict[str, str], _: Mapping[str, str]) -> None:
        if pattern is None:
            sent.pop(name, None)
            return
        for present in [present for present in sent if _matches(pattern, present)]:
            del sent[present]

    return step


#: (subgraph, lower-case name, value) of the answers to one operation, in their order.
Answered: TypeAlias = Sequence[tuple[str, str, str]]


@dataclass(slots=True)
class _Values:
    """The values of one header for the client, and how several become one."""

    merge: HeaderMerge
    values: list[str]


class ResponseRules:
    """The rules for the headers that a client gets."""

    def __init__(self, config: HeadersConfig) -> None:
        """Raises `ValueError` for a rule that is wrong."""
        self._common = [_compiled(rule) for rule in config.all.response]
        self._own = {name: [_compiled(rule) for rule in rules.response] for name, rules in config.subgraphs.items()}
        self.is_empty = not self._common and not any(self._own.values())

    def headers(self, answered: Answered, *, has_errors: bool) -> list[tuple[str, str]]:
        """The client's headers by the answers' (repeats of `set-cookie` stay apart)."""
        found: dict[str, _Values] = {}
        for rule in self._common:
            rule.apply(found, answered, has_errors=has_errors)
        for subgraph, rules in self._own.items():
            if rules:
                own = [entry for entry in answered if entry[0] == subgraph]
                if own:
                    for rule in rules:
                        rule.apply(found, own, has_errors=has_errors)
        return [(name, value) for name, values in found.items() for value in _merged(name, values)]


@dataclass(frozen=True, slots=True)
class _ResponseRule:
    action: HeaderAction
    name: str
    pattern: re.Pattern[str] | None
    target: str
    default: str | None
    value: str
    merge: HeaderMerge

    def apply(self, found: dict[str, _Values], answered: Answered, *, has_errors: bool) -> None:
        if self.action is HeaderAction.INSERT:
            found[self.target] = _Values(HeaderMerge.LAST, [self.value])
        elif self.action is HeaderAction.REMOVE:
            for name in [name for name in found if self._concerns(name)]:
                del found[name]
        elif self.merge is HeaderMerge.STRICTEST:
            found[self.target] = _Values(self.merge, [self._strictest(answered, has_errors=has_errors)])
        else:
            self._collect(found, answered)

    def _collect(self, found: dict[str, _Values], answered: Answered) -> None:
        begun: set[str] = set()
        for _, name, value in answered:
            if not self._concerns(name) or (self.pattern is not None and name in _NAMED_ONLY_ANSWERED):
                continue
            target = self.target if self.pattern is None else name
            if target not in begun and (target not in found or found[target].merge is not self.merge):
                found[target] = _Values(self.merge, [])
            begun.add(target)
            found[target].values.append(value)
        if not begun and self.default is not None and self.target not in found:
            found[self.target] = _Values(self.merge, [self.default])

    def _strictest(self, answered: Answered, *, has_errors: bool) -> str:
        if has_errors or not answered:
            return NO_STORE if has_errors else self.default or NO_STORE
        values = [value for _, name, value in answered if name == self.name]
        silent = {subgraph for subgraph, _, _ in answered} - {s for s, name, _ in answered if name == self.name}
        return strictest([*values, *((self.default or NO_STORE) for _ in silent)])

    def _concerns(self, name: str) -> bool:
        return name == self.name if self.pattern is None else _matches(self.pattern, name)


def _merged(name: str, values: _Values) -> Iterable[str]:
    if name == "set-cookie":
        return values.values
    match values.merge:
        case HeaderMerge.FIRST:
            return values.values[:1]
        case HeaderMerge.APPEND:
            return [", ".join(values.values)]
        case _:
            return values.values[-1:]


def _compiled(rule: ResponseHeaderRule) -> _ResponseRule:
    name, pattern = _check(rule, _NEVER_ANSWERED)
    if rule.merge is HeaderMerge.STRICTEST and name != "cache-control":
        raise ValueError("the merge rule 'strictest' is for cache-control alone")
    target = _target(rule.rename, _NEVER_ANSWERED) or name
    return _ResponseRule(rule.action, name, pattern, target, rule.default, rule.value or "", rule.merge)


def _check(rule: RequestHeaderRule | ResponseHeaderRule, never: frozenset[str]) -> tuple[str, re.Pattern[str] | None]:
    """The rule's lower-case name, or its pattern. Raises `ValueError`."""
    if (rule.name is None) == (rule.matching is None):
        raise ValueError("a header rule has either a name or a pattern (`matching`)")
    if rule.action is HeaderAction.INSERT and (rule.name is None or rule.value is None):
        raise ValueError("a rule that inserts a header has its name and its value")
    if rule.action is not HeaderAction.PROPAGATE and (rule.rename is not None or rule.default is not None):
        raise ValueError("`rename` and `default` are for rules that propagate a header")
    if rule.action is not HeaderAction.INSERT and rule.value is not None:
        raise ValueError("`value` is for rules that insert a header")
    for value in (rule.value, rule.default):
        if value is not None and not is_header_value(value):
            raise ValueError(f"the value of a rule for {rule.name!r} can't stand in a header")
    if rule.matching is not None:
        if rule.rename is not None or rule.default is not None:
            raise ValueError("`rename` and `default` are for rules with a name")
        try:
            return "", re.compile(rule.matching)
        except re.error as error:
            raise ValueError(f"{rule.matching!r} is no regular expression: {error}") from None
    assert rule.name is not None
    return _name(rule.name, never if rule.action is not HeaderAction.REMOVE else frozenset()), None


def _target(rename: str | None, never: frozenset[str]) -> str | None:
    return None if rename is None else _name(rename, never)


def _name(name: str, never: frozenset[str]) -> str:
    if not HEADER_NAME.fullmatch(name):
        raise ValueError(f"{name!r} can't be the name of a header")
    if name.lower() in never:
        raise ValueError(f"{name!r} is a header of one connection, or the gateway's own: no rule may send it")
    return name.lower()


def _matches(pattern: re.Pattern[str], name: str) -> bool:
    return len(name) <= _MAX_MATCHED_CHARACTERS and pattern.fullmatch(name) is not None


def is_header_value(value: str) -> bool:
    """Whether a text may be a header's value: visible ASCII, spaces and tabs, at most 8,192 characters."""
    return len(value) <= 8192 and all(" " <= char <= "~" or char == "\t" for char in value)
