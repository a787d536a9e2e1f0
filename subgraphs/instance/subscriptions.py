"""The subscription fields: declared here, fed by the gateway from the event bus."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.subscription` used as a decorator has no type of its own.)

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from subgraphs.common.errors import PublicError
from subgraphs.common.event_source import EventSource
from subgraphs.instance.logs import InstanceLog
from subgraphs.instance.types import Instance

AfterVersion = Annotated[
    strawberry.ID | None,
    strawberry.argument(description="Only what is newer than this `version`, to go on from there."),
]
AfterEvent = Annotated[
    str | None,
    strawberry.argument(
        description="Whatever changed after this: the `eventId` of the last event, or a cursor of `instanceChanges`."
    ),
]
AfterLine = Annotated[
    str | None,
    strawberry.argument(description="Only lines after this one: its `sequence`, which is the event's `eventId` too."),
]


class FedByGateway(PublicError):
    """Somebody subscribed here instead of at the gateway."""

    code = "SUBSCRIBE_AT_GATEWAY"


@strawberry.type
class Subscription:
    """Subscriptions, which the gateway streams."""

    @strawberry.subscription(
        description="One instance: its present state at once, then every change until it has ended.",
        directives=[
            EventSource(topics=["instance.*"], where=["id=$id"], version="version", until="isTerminal", snapshot=True)
        ],
    )
    async def instance_updated(
        self, id: strawberry.ID, after: AfterVersion = None
    ) -> AsyncGenerator[Instance | None, None]:
        raise FedByGateway("The gateway feeds this field from events; subscribe there.")
        yield None

    @strawberry.subscription(
        description=(
            "The instances of your personal workspace: first those that have not ended, then the newest state of each "
            "that changes. The last state of each is its deletion, with `deletedAt`."
        ),
        directives=[
            EventSource(
                topics=["instance.*"],
                where=["workspaceKey=@subject"],
                feed="instanceChanges(first: 100, after: $after)",
            )
        ],
    )
    async def instances_updated(self, after: AfterEvent = None) -> AsyncGenerator[Instance | None, None]:
        raise FedByGateway("The gateway feeds this field from events; subscribe there.")
        yield None

    @strawberry.subscription(
        description=(
            "The instances of a workspace of yours: first those that have not ended, then the newest state of each "
            "that changes. The last state of each is its deletion, with `deletedAt`."
        ),
        directives=[
            EventSource(
                topics=["instance.*"],
                where=["workspace=$workspaceId"],
                feed="instanceChanges(first: 100, after: $after, workspaceId: $workspaceId)",
            )
        ],
    )
    async def workspace_instances_updated(
        self, workspace_id: strawberry.ID, after: AfterEvent = None
    ) -> AsyncGenerator[Instance | None, None]:
        raise FedByGateway("The gateway feeds this field from events; subscribe there.")
        yield None

    @strawberry.subscription(
        description="The log of one instance, every line once and in order, until it has ended.",
        directives=[
            EventSource(
                topics=["instance.log.*"],
                where=["id=$id"],
                feed="instance(id: $id) { logs(first: 100, after: $after) }",
                until="instance.isTerminal",
            )
        ],
    )
    async def instance_logs(
        self, id: strawberry.ID, after: AfterLine = None
    ) -> AsyncGenerator[InstanceLog | None, None]:
        raise FedByGateway("The gateway feeds this field from events; subscribe there.")
        yield None
