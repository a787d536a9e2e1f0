"""Environment -> the settings that every subgraph has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from shared_schema.contracts.runs import MAX_PARAMETER_BYTES
from shared_schema.settings import DatabaseSettings, LogSettings, SettingsError
from subgraphs.common.keys import KeySource, file_keys, url_keys


class SubgraphSettings(DatabaseSettings, LogSettings):
    """Base of each subgraph's settings; names in the environment begin with `BOTBERI_`."""

    # What assertions are verified with: a JWKS file, or the URL where the gateway publishes it.
    assertion_jwks_file: Path | None = None
    assertion_jwks_url: str | None = None
    # Limits of one request. They admit what the gateway makes of the largest operation that it admits:
    # a level more for `_entities`, fragments expanded, and many representations in the variables.
    subgraph_max_body_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 4 * 1024 * 1024
    subgraph_max_depth: Annotated[int, Field(ge=1, le=100)] = 30
    subgraph_max_tokens: Annotated[int, Field(ge=10, le=100_000)] = 20_000
    # Fields of objects and items of lists that one request may make a subgraph execute.
    subgraph_max_fields: Annotated[int, Field(ge=100, le=10_000_000)] = 20_000
    subgraph_request_timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 30.0

    # Bytes of JSON, as they are stored, of the parameters of one instance, schedule or template.
    parameters_max_bytes: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = MAX_PARAMETER_BYTES
    # Processes that check parameters which are not surely quick to check, and how long one check may take.
    parameters_check_processes: Annotated[int, Field(ge=1, le=32)] = 2
    parameters_check_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0

    def key_source(self) -> KeySource:
        """Source of the gateway's public keys."""
        if self.assertion_jwks_file is not None:
            return file_keys(self.assertion_jwks_file)
        if self.assertion_jwks_url is not None:
            return url_keys(self.assertion_jwks_url)
        raise SettingsError(
            "neither BOTBERI_ASSERTION_JWKS_FILE nor BOTBERI_ASSERTION_JWKS_URL is set: "
            "a subgraph accepts only requests that the gateway signed"
        )
