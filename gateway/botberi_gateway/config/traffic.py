"""How requests to a subgraph are repeated, spread over several addresses, and held back while it is failing."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from botberi_gateway.config.setting import SECONDS, setting


@dataclass(frozen=True, slots=True)
class RetryConfig:
    """When a request is sent again. Queries are, and what never reached the subgraph; a mutation isn't sent twice."""

    max_attempts: int = setting(
        1, "Attempts at a request, the first one included; 1: none is repeated.", unit="attempts"
    )
    statuses: Sequence[int] = setting(
        (502, 503, 504), "HTTP statuses after which a query is sent again. A connection that can't be made is, too."
    )
    first_backoff_seconds: float = setting(
        0.05, "Pause before the second attempt, shortened at random by up to half.", unit=SECONDS
    )
    max_backoff_seconds: float = setting(1.0, "The pause doubles with each attempt, up to this one.", unit=SECONDS)
    retry_after_timeout_seconds: float = setting(
        2.0, "A `Retry-After` of the subgraph is waited for if it is no longer; else its answer counts.", unit=SECONDS
    )
    max_retry_share: float = setting(
        0.2, "The budget: repeated requests as a share of all requests to the subgraph.", unit="of requests"
    )
    max_retry_burst: int = setting(
        10, "Requests that may be repeated at once before the budget counts.", unit="requests"
    )


@dataclass(frozen=True, slots=True)
class BreakerConfig:
    """A circuit breaker: while a subgraph is failing, requests to it fail at once and leave it time to recover."""

    enabled: bool = setting(False, "Whether there is a circuit breaker.")
    window_seconds: float = setting(10.0, "How far back requests are looked at.", unit=SECONDS)
    min_requests: int = setting(20, "Requests within that time below which it never opens.", unit="requests")
    max_failure_share: float = setting(
        0.5,
        "The share of failed requests (no connection, no answer in time, HTTP status 500 and above, no GraphQL) from "
        "which on it opens.",
        unit="of requests",
    )
    slow_seconds: float = setting(5.0, "An answer that takes so long is slow.", unit=SECONDS)
    max_slow_share: float = setting(1.0, "The share of slow requests from which on it opens.", unit="of requests")
    open_seconds: float = setting(5.0, "How long it stays open before requests are tried.", unit=SECONDS)
    max_trial_requests: int = setting(
        3,
        "Requests that are then let through at a time; when so many succeed it closes, when one fails it opens.",
        unit="requests",
    )


class Balancing(StrEnum):
    """How a request's address is chosen."""

    ROUND_ROBIN = "round_robin"
    LEAST_PENDING = "least_pending"


@dataclass(frozen=True, slots=True)
class BalancingConfig:
    """Several addresses of one subgraph."""

    urls: Sequence[str] = setting((), "The addresses, in place of the one that the graph has. Each has its own pool.")
    policy: Balancing = setting(
        Balancing.LEAST_PENDING, "`round_robin`: one after the other; `least_pending`: fewest requests under way."
    )
    max_failures: int = setting(
        5, "Failed requests in a row after which an address gets none for a while.", unit="requests"
    )
    eject_seconds: float = setting(
        10.0, "How long it gets none. When every address would be left out, all of them are used.", unit=SECONDS
    )


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """TLS to a subgraph (`https`, `wss`)."""

    ca_file: Path | None = setting(
        None, "Certificates (PEM) of the authorities to trust, in place of those of the system."
    )
    certificate_file: Path | None = setting(None, "The gateway's own certificate (PEM), by which it identifies itself.")
    key_file: Path | None = setting(None, "The certificate's private key (PEM), where it isn't in the same file.")
    server_name: str | None = setting(
        None, "The name that is asked for (SNI) and has to stand in the certificate. Unset: the URL's host."
    )
