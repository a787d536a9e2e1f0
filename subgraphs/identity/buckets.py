"""Settings and a client -> the buckets in which its tries are counted."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from subgraphs.identity.clients import Client
from subgraphs.identity.settings import IdentitySettings
from subgraphs.identity.throttle import Bucket

HOUR_SECONDS = 3600.0
# A site (a /48 of IPv6) has so many times as much as one of its networks.
SITE_FACTOR = 16


class Buckets:
    """Sets of tries that are counted together."""

    def __init__(self, settings: IdentitySettings) -> None:
        self._settings = settings

    def sign_in(self, address: str, client: Client, known_as: str | None) -> Sequence[Bucket]:
        """Buckets of a sign-in with the e-mail address `address`.

        A client that the account knows (by a session or a device) is counted by itself alone, so that no guesses of
        others keep it out. Any other is counted with its own network for this account, for all accounts (one password
        tried on many), and with all other unknown clients of this account (one account tried from many networks).
        """
        settings = self._settings
        if known_as is not None:
            return [self._backing_off(f"sign-in:{address}|{known_as}")]
        window = settings.sign_in_window_seconds
        return [
            self._backing_off(f"sign-in:{address}|{client.facts.network}"),
            Bucket(f"sign-in-account:{address}", settings.sign_in_attempts_per_account, window),
            *_by_network("sign-in-network", client, settings.sign_in_attempts_per_address, window),
        ]

    def change_password(self, account_id: UUID, client: Client) -> Sequence[Bucket]:
        """Buckets of a changed password: apart from sign-ins, and from other sessions."""
        return [self._backing_off(f"password:{account_id}|{client.session_of(account_id)}")]

    def second_factor(self, account_id: UUID) -> Sequence[Bucket]:
        """Buckets of a code, which only those can give who had the password."""
        return [self._backing_off(f"second-factor:{account_id}")]

    def passkey(self, client: Client) -> Sequence[Bucket]:
        """Buckets of a sign-in with a passkey, which no one guesses: they bound the work."""
        settings = self._settings
        limit, window = settings.sign_in_attempts_per_address, settings.sign_in_window_seconds
        return _by_network("passkey", client, limit, window)

    def passkey_challenge(self, client: Client) -> Sequence[Bucket]:
        """Buckets of a passkey's challenge: the page that asks for one may be opened often."""
        settings = self._settings
        return _by_network(
            "passkey-challenge", client, 10 * settings.sign_in_attempts_per_address, settings.sign_in_window_seconds
        )

    def registration(self, client: Client, address: str) -> Sequence[Bucket]:
        """Buckets of a registration: those of its network, and where it sends a mail those of its address."""
        by_network = _by_network("register", client, self._settings.registrations_per_hour, HOUR_SECONDS)
        return [*by_network, self._mail(address)] if self._settings.registration_confirmed else by_network

    def mail(self, client: Client, address: str) -> Sequence[Bucket]:
        """Buckets of a mail that somebody may not have asked for, whether the address has an account or not."""
        by_network = _by_network("mail", client, self._settings.registrations_per_hour, HOUR_SECONDS)
        return [*by_network, self._mail(address)]

    def _mail(self, address: str) -> Bucket:
        return Bucket(f"mail:{address}", self._settings.mails_per_address, HOUR_SECONDS)

    def credential(self, account_id: UUID) -> Sequence[Bucket]:
        """Buckets of a new session or API key."""
        return [Bucket(f"credentials:{account_id}", self._settings.credentials_per_hour, HOUR_SECONDS)]

    def _backing_off(self, name: str) -> Bucket:
        settings = self._settings
        return Bucket(
            name, settings.sign_in_attempts, settings.sign_in_window_seconds, settings.sign_in_max_wait_seconds
        )


def _by_network(kind: str, client: Client, limit: int, window_seconds: float) -> list[Bucket]:
    buckets = [Bucket(f"{kind}:{client.facts.network}", limit, window_seconds)]
    if client.site != client.facts.network:
        buckets.append(Bucket(f"{kind}:{client.site}", limit * SITE_FACTOR, window_seconds))
    return buckets
