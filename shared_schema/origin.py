"""The actor and its trace -> `actor` and `traceparent` of the events of a task's transactions.

A service enters `acting(...)` once per request or message; every unit of work below tells the database, and the
columns `actor` and `traceparent` of the outbox take it from the transaction's settings. No caller passes it along by
hand, and a trigger's row has it as well.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from sqlalchemy import TextClause, text

ACTOR_SETTING: Final = "botberi.actor"
TRACE_SETTING: Final = "botberi.traceparent"
#: The workspaces whose rows the transaction may see and change (`shared_schema.roles` has the policies).
WORKSPACES_SETTING: Final = "botberi.workspaces"
ALL_WORKSPACES: Final = "*"
#: W3C Trace Context, level 1: version, trace id, parent id, flags.
TRACEPARENT: Final = r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
MAX_ACTOR: Final = 200

#: Tells the transaction, and it alone: `true` makes a setting local.
STATEMENT: Final[TextClause] = text(
    f"SELECT set_config('{ACTOR_SETTING}', :actor, true), set_config('{TRACE_SETTING}', :traceparent, true), "
    f"set_config('{WORKSPACES_SETTING}', :workspaces, true)"
)


@dataclass(frozen=True, slots=True)
class Origin:
    """The actor (`account:<uuid>`, or a part's name) and the W3C `traceparent` of its action; either may be unknown."""

    actor: str | None = None
    traceparent: str | None = None
    #: What row-level security lets through: ids of workspaces joined by commas, `*` for all, nothing for none.
    workspaces: str = ""

    def parameters(self) -> dict[str, str]:
        """Return the values of `STATEMENT`."""
        return {"actor": self.actor or "", "traceparent": self.traceparent or "", "workspaces": self.workspaces}


_current: ContextVar[Origin | None] = ContextVar("origin", default=None)


def current() -> Origin | None:
    """Return the origin of whatever runs now, if somebody said it."""
    return _current.get()


@contextmanager
def acting(actor: str | None = None, traceparent: str | None = None, workspaces: str = "") -> Iterator[None]:
    """Set the actor within the block. A `traceparent` that is not valid, as clients may send it, is ignored."""
    trace = traceparent if traceparent is not None and re.fullmatch(TRACEPARENT, traceparent) else None
    token = _current.set(Origin(actor[:MAX_ACTOR] if actor else None, trace, workspaces))
    try:
        yield
    finally:
        _current.reset(token)
