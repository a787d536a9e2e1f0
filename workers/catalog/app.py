"""The Celery application of the queue `catalog`: `celery --app workers.catalog.app:app worker`."""

from celery import Celery

from workers import worker_metrics
from workers.catalog.settings import QUEUE, CatalogWorkerSettings
from workers.service_app import create_service_app

#: Counts the tasks and serves the pages, by being imported.
METRICS = worker_metrics
app: Celery = create_service_app(QUEUE, ("workers.catalog.tasks",), CatalogWorkerSettings)
