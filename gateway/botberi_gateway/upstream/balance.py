"""Several addresses of one subgraph -> the one that a request goes to."""

import logging
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from botberi_gateway.config import Balancing, BalancingConfig

logger = logging.getLogger(__name__)

TargetT = TypeVar("TargetT")


class Address(Generic[TargetT]):
    """One address, and how requests to it went."""

    __slots__ = ("ejected_until", "failures", "number", "pending", "picked", "target")

    def __init__(self, number: int, target: TargetT) -> None:
        self.number, self.target = number, target
        self.pending = 0
        #: How many requests the subgraph had when this address got its last one.
        self.picked = 0
        #: Failed requests in a row.
        self.failures = 0
        self.ejected_until = 0.0


class Balancer(Generic[TargetT]):
    """Chooses among addresses. One that fails several times in a row gets no requests for a while."""

    def __init__(
        self, subgraph: str, targets: Sequence[TargetT], config: BalancingConfig, clock: Callable[[], float]
    ) -> None:
        self._subgraph, self._config, self._clock = subgraph, config, clock
        self.addresses = [Address(number, target) for number, target in enumerate(targets)]
        self._count = 0

    def pick(self, tried: Sequence[Address[TargetT]] = ()) -> Address[TargetT]:
        """The address for a request that was already tried at the addresses in `tried`."""
        addresses = self.addresses
        if len(addresses) == 1:
            return addresses[0]
        now = self._clock()
        usable = [address for address in addresses if address.ejected_until <= now] or addresses
        fresh = [address for address in usable if address not in tried] or usable
        if self._config.policy is Balancing.ROUND_ROBIN:
            address = min(fresh, key=lambda address: address.picked)
        else:  # by turns where all are equally busy
            address = min(fresh, key=lambda address: (address.pending, address.picked))
        self._count += 1
        address.picked = self._count
        return address

    def ended(self, address: Address[TargetT], *, failed: bool) -> None:
        """A request to the address has ended."""
        if not failed:
            address.failures = 0
            return
        address.failures += 1
        if address.failures >= self._config.max_failures and len(self.addresses) > 1:
            # One more failure after its return is enough.
            address.failures = self._config.max_failures - 1
            address.ejected_until = self._clock() + self._config.eject_seconds
            logger.warning(
                "subgraph %s: its address %d failed %d times in a row and gets no requests for %g s",
                self._subgraph,
                address.number + 1,
                self._config.max_failures,
                self._config.eject_seconds,
            )
