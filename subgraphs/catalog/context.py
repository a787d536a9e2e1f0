"""Context of the catalog's resolvers (`info.context`), and the loaders of one request."""

from __future__ import annotations

from dataclasses import dataclass, field

import strawberry

from shared_schema.models import Template
from subgraphs.catalog import repository
from subgraphs.catalog.repository import TEMPLATE_ORDERS, CatalogOrder, Selection
from subgraphs.catalog.service import EVERYTHING, PUBLISHED, CatalogService, manages
from subgraphs.common.caller import Caller
from subgraphs.common.context import RequestContext, Store
from subgraphs.common.loaders import ChildLoader, row_loader


class Loaders:
    """Batches what the fields of one request read."""

    def __init__(self, store: Store, caller: Caller) -> None:
        self.agents = row_loader(store, repository.agents_by_id)
        self.templates = row_loader(store, repository.templates_by_id)
        self.records = row_loader(store, repository.records_by_agent)
        self.agents_by_slug = row_loader(store, repository.agents_by_slug)
        self.templates_by_slug = row_loader(store, repository.templates_by_slug)
        shown = repository.templates(Selection(EVERYTHING if manages(caller) else PUBLISHED))
        self.agent_templates = ChildLoader(store, shown, Template.agent_id, TEMPLATE_ORDERS[CatalogOrder.NEWEST])


@dataclass(slots=True)
class Context(RequestContext):
    """The catalog's request context."""

    service: CatalogService = field(kw_only=True)
    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
        self.renew_loaders()

    def renew_loaders(self) -> None:
        """Forget what was loaded."""
        self.loaders = Loaders(self.store, self.caller)


Info = strawberry.Info[Context, None]
