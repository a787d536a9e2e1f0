"""Input of identity's mutations -> cleaned values, or every problem with its path at once."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from email_validator import EmailNotValidError, validate_email

from subgraphs.common.caller import Caller
from subgraphs.common.errors import FieldProblem, ValidationRefusal
from subgraphs.identity.display_names import display_name_problems, name_problems, normalised_name
from subgraphs.identity.networks import MAX_NETWORKS, normalised_network
from subgraphs.identity.passwords import weakness
from subgraphs.identity.scopes import grantable

MAXIMUM_EMAIL = 254
MAXIMUM_SCOPES = 32


@dataclass(frozen=True, slots=True)
class Registration:
    """A registration that may be stored."""

    email: str
    password: str
    display_name: str


def sign_in_address(email: str) -> str:
    """The form in which an address is stored, looked up and counted; never refuses."""
    try:
        return _address(email)
    except EmailNotValidError:
        return _folded(email).lower().replace("\x00", "")


def _address(email: str) -> str:
    # Mail is proved by mail, not by DNS at the moment of the registration.
    checked = validate_email(_folded(email), check_deliverability=False, test_environment=True)
    return checked.normalized.lower()


def _folded(email: str) -> str:
    # One character more than is allowed, so that a longer one is still seen as too long.
    return unicodedata.normalize("NFKC", email[: MAXIMUM_EMAIL + 1]).strip()


def address(field: str, email: str) -> str:
    """The form in which an address is stored. Raises a `Refusal` for what is none."""
    try:
        return _address(email)
    except EmailNotValidError as problem:
        raise ValidationRefusal.at(field, str(problem)) from None


def registration(email: str, password: str, display_name: str, reserved: Sequence[str]) -> Registration:
    """A checked registration; whether its password is a breached one is still to be asked."""
    problems: list[FieldProblem] = []
    address, name = sign_in_address(email), normalised_name(display_name)
    try:
        address = _address(email)
    except EmailNotValidError as problem:
        problems.append(FieldProblem(("email",), str(problem)))
    problems += display_name_problems("displayName", name, reserved)
    if weak := weakness(password, address, name):
        problems.append(FieldProblem(("password",), weak))
    if problems:
        raise ValidationRefusal(problems)
    return Registration(address, password, name)


def api_key_problems(caller: Caller, name: str, scopes: Sequence[str]) -> list[FieldProblem]:
    """Problems of a key that is to be made."""
    problems = name_problems("name", name)
    if not 1 <= len(scopes) <= MAXIMUM_SCOPES:
        problems.append(FieldProblem(("scopes",), f"A key needs 1 to {MAXIMUM_SCOPES} scopes."))
    allowed = grantable(caller.role) & caller.scopes
    for position, scope in enumerate(scopes[:MAXIMUM_SCOPES]):
        if scope not in allowed:
            message = f"Only these scopes can be given to a key of yours: {', '.join(sorted(allowed))}."
            problems.append(FieldProblem(("scopes", str(position)), message))
    return problems


def expiry_problems(expires_at: datetime | None, max_days: int) -> list[FieldProblem]:
    """Problems of the time at which a key is to end."""
    if expires_at is None:
        return []
    now = datetime.now(UTC)
    if expires_at <= now:
        return [FieldProblem(("expiresAt",), "This time has passed.")]
    if expires_at > now + timedelta(days=max_days):
        return [FieldProblem(("expiresAt",), f"A key lives {max_days} days at most; rotate it before it ends.")]
    return []


def network_problems(networks: Sequence[str]) -> list[FieldProblem]:
    """Problems of the networks from which a key may be used."""
    if len(networks) > MAX_NETWORKS:
        return [FieldProblem(("allowedNetworks",), f"At most {MAX_NETWORKS} networks are allowed.")]
    message = "This is no network, such as 192.0.2.0/24 or 2001:db8::/32, and no address."
    return [
        FieldProblem(("allowedNetworks", str(position)), message)
        for position, network in enumerate(networks)
        if normalised_network(network) is None
    ]


def normalised_networks(networks: Sequence[str]) -> list[str]:
    """The networks in their canonical form, each once."""
    return sorted({network for each in networks if (network := normalised_network(each)) is not None})
