"""A file that a run made, as clients see it: what it is, and an address under which it is read for a while."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.field` used as a decorator has no type of its own.)

from __future__ import annotations

from datetime import datetime

import strawberry

from shared_schema import models
from shared_schema.ids import to_global_id
from subgraphs.instance.context import Info


@strawberry.type(description="A file that a run made.")
class Artifact:
    id: strawberry.ID
    name: str
    content_type: str
    size_bytes: int
    sha256: str = strawberry.field(description="Of its content, in hexadecimal.")
    created_at: datetime
    row: strawberry.Private[models.InstanceArtifact]

    @classmethod
    def of(cls, row: models.InstanceArtifact) -> Artifact:
        """The file as clients see it."""
        return cls(
            id=strawberry.ID(to_global_id("Artifact", row.id)),
            name=row.name,
            content_type=row.content_type,
            size_bytes=row.size_bytes,
            sha256=row.sha256.hex(),
            created_at=row.created_at,
            row=row,
        )

    @strawberry.field(
        description="Address of the file, for some minutes: it is all that a reader needs. Ask again for another."
    )
    def download_url(self, info: Info) -> str:
        row, files = self.row, info.context.files
        base = info.context.facts.base_url
        return files.storage.url(row.storage_key, row.content_type, row.name, files.seconds, base_url=base)
