"""Environment -> the catalog subgraph's settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from subgraphs.common.settings import SubgraphSettings


class CatalogSettings(SubgraphSettings):
    """Names in the environment begin with `BOTBERI_`."""

    # Bytes of JSON, as they are stored, of an agent's JSON Schema.
    catalog_max_schema_bytes: Annotated[int, Field(ge=1024, le=4 * 1024 * 1024)] = 64 * 1024
