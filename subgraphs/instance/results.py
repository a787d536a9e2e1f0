"""Results of the instance subgraph's mutations: a success type each, in a union with the typed errors."""

from __future__ import annotations

from typing import Annotated

import strawberry

from subgraphs.common.results import TypedError
from subgraphs.instance.types import Instance


@strawberry.type
class CreateInstanceSuccess:
    instance: Instance


CreateInstanceResult = Annotated[CreateInstanceSuccess | TypedError, strawberry.union("CreateInstanceResult")]


@strawberry.type
class RerunInstanceSuccess:
    instance: Instance = strawberry.field(description="The new one.")


RerunInstanceResult = Annotated[RerunInstanceSuccess | TypedError, strawberry.union("RerunInstanceResult")]


@strawberry.type
class RetryInstanceSuccess:
    instance: Instance = strawberry.field(description="The one in the place of that which failed.")


RetryInstanceResult = Annotated[RetryInstanceSuccess | TypedError, strawberry.union("RetryInstanceResult")]


@strawberry.type
class CancelInstanceSuccess:
    instance: Instance = strawberry.field(
        description="Ended if it was waiting; if it runs, `cancelRequestedAt` is set and its worker ends it."
    )


CancelInstanceResult = Annotated[CancelInstanceSuccess | TypedError, strawberry.union("CancelInstanceResult")]


@strawberry.type
class DeleteInstanceSuccess:
    id: strawberry.ID = strawberry.field(description="What is gone.")
    instance: Instance = strawberry.field(description="As it was.")


DeleteInstanceResult = Annotated[DeleteInstanceSuccess | TypedError, strawberry.union("DeleteInstanceResult")]
