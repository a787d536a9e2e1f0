"""Rules for the headers that subgraphs get from a request, and clients from the subgraphs' answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from botberi_gateway.config.setting import branch, setting


class HeaderAction(StrEnum):
    """What a rule does."""

    PROPAGATE = "propagate"
    INSERT = "insert"
    REMOVE = "remove"


class HeaderMerge(StrEnum):
    """Which of several values a client gets, where several answers have the header."""

    FIRST = "first"
    LAST = "last"
    APPEND = "append"
    STRICTEST = "strictest"


@dataclass(frozen=True, slots=True)
class RequestHeaderRule:
    """One rule for the requests to a subgraph. The rules are applied in their order."""

    action: HeaderAction = setting(
        HeaderAction.PROPAGATE, "`propagate` a header of the client, `insert` a value, or `remove` a header."
    )
    name: str | None = setting(None, "The header's name. A rule has either a name or a pattern.")
    matching: str | None = setting(
        None,
        "A regular expression for whole lower-case names, in place of a name. It never matches `cookie`, "
        "`authorization` and headers in which proxies report the client: those are named, or not sent.",
    )
    rename: str | None = setting(None, "With `propagate` and a name: what the header is called at the subgraph.")
    default: str | None = setting(None, "With `propagate` and a name: the value where the client sent none.")
    value: str | None = setting(None, "With `insert`: the value.")


@dataclass(frozen=True, slots=True)
class ResponseHeaderRule:
    """One rule for the answer to a client. The rules are applied in their order."""

    action: HeaderAction = setting(
        HeaderAction.PROPAGATE, "`propagate` a header of subgraphs' answers, `insert` a value, or `remove` a header."
    )
    name: str | None = setting(None, "The header's name. A rule has either a name or a pattern.")
    matching: str | None = setting(
        None,
        "A regular expression for whole lower-case names, in place of a name. It never matches `set-cookie` and the "
        "headers of CORS.",
    )
    rename: str | None = setting(None, "With `propagate` and a name: what the client's header is called.")
    default: str | None = setting(None, "With `propagate` and a name: the value where no answer has the header.")
    value: str | None = setting(None, "With `insert`: the value.")
    merge: HeaderMerge = setting(
        HeaderMerge.LAST,
        "Which value counts where several answers have the header: the `first` one, the `last` one, all of them "
        "(`append`, joined by commas), or for `cache-control` the `strictest` of all answers: an answer without the "
        "header, or an error, makes it `no-store`.",
    )


@dataclass(frozen=True, slots=True)
class SubgraphHeaderRules:
    """Rules for requests to subgraphs and their answers."""

    request: Sequence[RequestHeaderRule] = setting((), "Rules for requests.", item=RequestHeaderRule)
    response: Sequence[ResponseHeaderRule] = setting((), "Rules for answers.", item=ResponseHeaderRule)


@dataclass(frozen=True, slots=True)
class HeadersConfig:
    """Header rules, alike for HTTP, server-sent events and sockets. What they do counts after `forward_headers`."""

    all: SubgraphHeaderRules = branch(SubgraphHeaderRules, "Rules for every subgraph.")
    subgraphs: Mapping[str, SubgraphHeaderRules] = setting(
        {}, "Further rules by subgraph, which are applied after those for all.", item=SubgraphHeaderRules
    )
