"""Context of the instance subgraph's resolvers (`info.context`), and the loaders of one request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import strawberry
from sqlalchemy.ext.asyncio import AsyncSession

from shared_schema.artifacts import Storage
from shared_schema.models import Instance
from subgraphs.common.context import RequestContext, Store
from subgraphs.common.errors import TooMuch
from subgraphs.common.loaders import ChildLoader, grouped_loader, row_loader
from subgraphs.instance import log_repository, repository
from subgraphs.instance.repository import Documents, InstanceOrder, Selection
from subgraphs.instance.scheduling import ScheduleService
from subgraphs.instance.service import InstanceService

#: Of parameters and results in one request: two of the largest results and their parameters, or hundreds of usual ones.
MAX_DOCUMENT_BYTES: Final = 10_000_000


class Loaders:
    """Batches what the fields of one request read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._owned: dict[tuple[Selection, InstanceOrder], ChildLoader] = {}
        self.instances = row_loader(store, repository.instances_by_id)
        self.documents = row_loader(store, self._documents)
        self._document_bytes = 0
        self.schedules = row_loader(store, repository.schedules_by_id)
        self.artifacts = row_loader(store, repository.artifacts_by_instance)
        self.log_lines = grouped_loader(store, log_repository.lines_by_instance)
        self.log_counts = grouped_loader(store, log_repository.counts_by_instance)

    async def _documents(self, session: AsyncSession, ids: Sequence[UUID]) -> Mapping[UUID, Documents]:
        # A result may be 4 MB, and becomes ten times that as objects: a page of them is refused before it is read.
        size, documents = await repository.documents_by_id(session, ids, MAX_DOCUMENT_BYTES - self._document_bytes)
        self._document_bytes += size
        if self._document_bytes > MAX_DOCUMENT_BYTES:
            raise TooMuch(
                f"The parameters and results that are asked for are {self._document_bytes:,} bytes; at most "
                f"{MAX_DOCUMENT_BYTES:,} are given at once. Ask for fewer instances."
            )
        return documents

    def of_workspaces(self, selection: Selection, order: InstanceOrder) -> ChildLoader:
        """Instances by workspace, for one selection and order."""
        loader = self._owned.get((selection, order))
        if loader is None:
            statement = repository.selected(selection)
            loader = ChildLoader(
                self._store, statement, Instance.workspace_id, repository.ORDERS[order], repository.DOCUMENTS
            )
            self._owned[selection, order] = loader
        return loader


@dataclass(frozen=True, slots=True)
class Files:
    """Storage of runs' files, and how long an address of one is good."""

    storage: Storage
    seconds: int


@dataclass(slots=True)
class Context(RequestContext):
    """The instance subgraph's request context."""

    service: InstanceService = field(kw_only=True)
    schedules: ScheduleService = field(kw_only=True)
    files: Files = field(kw_only=True)
    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
        self.renew_loaders()

    def renew_loaders(self) -> None:
        """Forget what was loaded."""
        self.loaders = Loaders(self.store)


Info = strawberry.Info[Context, None]
