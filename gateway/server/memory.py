"""The garbage collector, told what lives long: start-up and supergraphs; so that requests leave little for it."""

import gc
from typing import Final

#: Default thresholds cost 5 to 15 % of a request that makes many objects.
THRESHOLDS: Final = (100_000, 50, 100)


def settle() -> None:
    """After start-up: what is there lives to the end, the collector need not look at it again. Turns it on where it was off."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.enable()


def resettle() -> None:
    """After a supergraph was replaced: frees the old one, which was set aside, and sets aside the new one. Takes a moment."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
