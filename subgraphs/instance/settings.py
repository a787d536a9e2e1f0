"""Environment -> the instance subgraph's settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared_schema.artifacts import ArtifactSettings
from subgraphs.common.settings import SubgraphSettings


class InstanceSettings(SubgraphSettings, ArtifactSettings):
    """Names in the environment begin with `BOTBERI_`."""

    # Instances of one account that may wait or run at once.
    instances_active_per_account: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    # Schedules that one account may have.
    schedules_per_account: Annotated[int, Field(ge=0, le=100_000)] = 50
