"""The subscription fields: declared here, fed by the gateway from the event bus."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.subscription` used as a decorator has no type of its own.)

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from subgraphs.common.errors import PublicError
from subgraphs.common.event_source import EventSource
from subgraphs.instance.logs import START, InstanceLogBatch
from subgraphs.instance.types import Instance


class FedByGateway(PublicError):
    """Somebody subscribed here instead of at the gateway."""

    code = "SUBSCRIBE_AT_GATEWAY"


@strawberry.type
class Subscription:
    """What the gateway streams."""

    @strawberry.subscription(
        description="One instance: its present state at once, then every change until it has ended.",
        directives=[
            EventSource(topics=["instance.*"], where=["id=$id"], version="version", until="isTerminal", snapshot=True)
        ],
    )
    async def instance_updated(self, id: strawberry.ID) -> AsyncGenerator[Instance | None, None]:
        raise FedByGateway("The gateway feeds this field from events; subscribe there.")
        yield None

    @strawberry.subscription(
        description="Every change of any of your instances, as long as it is there: its deletion is not told of.",
        directives=[EventSource(topics=["instance.*"], where=["owner=@subject"], version="version")],
    )
    async def instances_updated(self) -> AsyncGenerator[Instance | None, None]:
        raise FedByGateway("The gateway feeds this field from events; subscribe there.")
        yield None

    @strawberry.subscription(
        description="The log of one instance: its lines after `after` at once, then those that come, until it has ended.",
        directives=[
            EventSource(
                topics=["instance.log.*"], where=["id=$id"], version="lastSequence", until="isComplete", snapshot=True
            )
        ],
    )
    async def instance_logs(
        self,
        id: strawberry.ID,
        after: Annotated[
            str | None, strawberry.argument(description="An `endCursor`, or a line's `sequence`; else from the start.")
        ] = START,
    ) -> AsyncGenerator[InstanceLogBatch | None, None]:
        raise FedByGateway("The gateway feeds this field from events; subscribe there.")
        yield None
