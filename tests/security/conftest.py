"""The subgraphs, as their own tests have them."""

from tests.subgraphs.conftest import catalog, instance, signer

__all__ = ["catalog", "instance", "signer"]
