"""A point's name -> nothing, or the end of this process: where the fault suite kills it, on purpose and by name.

The points are moments between two effects, where a crash must lose and double nothing. Off, which is always but in the
fault suite, a point is a call of an empty function. On, BOTBERI_KILL_POINTS names a folder: the process that reaches a
point and can remove the file of its name there is killed (SIGKILL), and no other process is.
"""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

VARIABLE: Final = "BOTBERI_KILL_POINTS"
#: `env/prod` sets it to `prod`; then kill points are refused.
ENVIRONMENT: Final = "BOTBERI_ENV"

#: Every point, and the moment at which it lies.
POINTS: Final[Mapping[str, str]] = {
    "instance.written": "the new instance and its outbox row are written, not committed",
    "instance.committed": "the new instance is committed, the client has no answer",
    "relay.locked": "this relay has become the one that works, and has read nothing",
    "relay.read": "rows are read, none is published",
    "relay.published": "a row is confirmed by the bus, its batch is not marked",
    "relay.unmarked": "a whole batch is confirmed, nothing of it is marked",
    "relay.marked": "a batch is marked as sent",
    "publisher.sending": "an event is about to go to the broker",
    "publisher.confirmed": "the broker has confirmed an event, its publisher does not know",
    "consumer.received": "a delivery is there, its handler has not run",
    "consumer.handled": "the handler has returned, the delivery is not acknowledged",
    "consumer.acknowledged": "the delivery is acknowledged",
    "dispatcher.looked": "a run is known to wait, its message is not sent",
    "dispatcher.admitted": "the account's runs have their places, none is sent",
    "dispatcher.sent": "Celery's broker has the message, the row is not marked",
    "dispatcher.marked": "the row is QUEUED, the event is not acknowledged",
    "sweeper.claimed": "the sweeper has taken rows, and sent none",
    "sweeper.sent": "the sweeper has sent a run again, its row is not marked",
    "worker.received": "a task is there, its run is not claimed",
    "worker.claimed": "the run is claimed, its process is not begun",
    "worker.begun": "the run's process has its order",
    "worker.progressed": "a progress was written",
    "worker.result": "the result is there, its transaction has not begun",
    "worker.ending": "the terminal state is written, not committed",
    "worker.ended": "the terminal state is committed, the task is not acknowledged",
    "reaper.reaping": "expired runs are taken from their holders, not committed",
    "reaper.reaped": "expired runs are given back",
    "fanout.received": "the gateway has an event from the broker, its followers do not",
    "fanout.delivered": "followers have the event, the broker has no acknowledgement",
    "gateway.following": "a subscription follows its topics, its snapshot is not read",
    "gateway.event": "a subscription has an event, its result is not resolved",
}


def _pass(name: str) -> None:
    """Off."""


def _die(name: str) -> None:
    if name not in POINTS:
        raise LookupError(f"{name} is no kill point")
    try:
        (_folder / name).unlink()
    except OSError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


_folder: Final = Path(os.environ.get(VARIABLE, ""))
if os.environ.get(VARIABLE) and os.environ.get(ENVIRONMENT) == "prod":
    raise SystemExit(f"botberi: {VARIABLE} is for the fault suite, and {ENVIRONMENT} is prod: unset one of them")

#: Call it at the point; see `POINTS`.
reach: Final = _die if os.environ.get(VARIABLE) else _pass
