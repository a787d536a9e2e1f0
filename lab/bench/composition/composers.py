"""A set of subgraphs -> the verdict of ours and of each peer, in one shape."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from botberi_gateway.composition import Subgraph, compose
from botberi_gateway.errors import GatewayError
from botberi_gateway.supergraph import Supergraph, read_supergraph
from botberi_gateway.supergraph.compare import differences
from lab.bench.peers import PeerProcess, installed

#: Pinned, so that a table can be made again.
PACKAGES = {"@apollo/composition": "2.14.4", "@theguild/federation-composition": "0.27.0", "graphql": "16.15.0"}
SCRIPT = Path(__file__).with_name("peers.mjs")
#: The names that `peers.mjs` knows. The first is the reference.
PEERS = ("apollo", "guild")
TIMEOUT = 60.0


@dataclass(frozen=True)
class Verdict:
    """`codes` is empty for success. `crash` says why a composer said nothing."""

    codes: frozenset[str]
    messages: tuple[str, ...] = ()
    supergraph: Supergraph | None = None
    crash: str | None = None

    def summary(self) -> str:
        """In one line."""
        return f"crash: {self.crash}" if self.crash else ", ".join(sorted(self.codes)) or "ok"


def ours(subgraphs: Sequence[Subgraph]) -> Verdict:
    """Verdict of `botberi_gateway.composition`."""
    found = compose(subgraphs)
    return Verdict(
        frozenset(p.code for p in found.errors),
        tuple(f"{p.code}: {p.message}" for p in found.errors),
        found.supergraph,
    )


def compare(one: Verdict, other: Verdict) -> list[str]:
    """How they differ; empty where they say the same."""
    if one.codes != other.codes:
        return [f"codes: {one.summary()} | {other.summary()}"]
    if one.supergraph is None or other.supergraph is None:
        return []
    return differences(one.supergraph, other.supergraph)


class Peers:
    """Both peers in one long-lived process."""

    def __init__(self) -> None:
        self._folder = installed(PACKAGES)
        self._process: PeerProcess | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.close()

    def compose(self, peer: str, subgraphs: Sequence[Subgraph]) -> Verdict:
        """A peer that crashes or doesn't end is started again for the next set."""
        self._process = self._process or PeerProcess(SCRIPT, self._folder)
        question = {"composer": peer, "subgraphs": [{"name": s.name, "url": s.url, "sdl": s.sdl} for s in subgraphs]}
        try:
            answer = self._process.ask(question, TIMEOUT)
        except (TimeoutError, ConnectionError) as error:
            self._process = None
            return Verdict(frozenset(), crash=str(error))
        return _verdict(answer)


def _verdict(answer: dict[str, Any]) -> Verdict:
    if "crash" in answer:
        return Verdict(frozenset(), crash=answer["crash"])
    errors = answer["errors"]
    codes = frozenset(e["code"] for e in errors)
    messages = tuple(f"{e['code']}: {e['message']}" for e in errors)
    if "UNKNOWN" in codes:  # an exception of some library, passed on: no verdict of the composer
        return Verdict(frozenset(), messages, crash=messages[0])
    if errors:
        return Verdict(codes, messages)
    try:
        return Verdict(codes, messages, read_supergraph(answer["supergraph"]))
    except GatewayError as error:
        return Verdict(frozenset(), crash=f"its supergraph can't be read: {error.message}")
