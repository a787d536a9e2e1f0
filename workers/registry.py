"""All workflows by slug. Importing this is cheap: a workflow imports its libraries when it runs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from workers.workflow import Template, Workflow
from workers.workflows import forecast, table_clusters, tabular_anomaly, text_insights

# Adding a workflow is adding its module here; nothing is found by scanning.
MODULES = (text_insights, table_clusters, forecast, tabular_anomaly)

WORKFLOWS: Mapping[str, Workflow] = MappingProxyType({module.WORKFLOW.slug: module.WORKFLOW for module in MODULES})

# The example templates of each workflow, by the workflow's slug.
TEMPLATES: Mapping[str, tuple[Template, ...]] = MappingProxyType(
    {module.WORKFLOW.slug: module.TEMPLATES for module in MODULES}
)
