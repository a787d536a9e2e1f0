"""The pages that people read about a service: a reference made from its SDL, and its REST endpoints as OpenAPI."""

from subgraphs.common.documents.openapi import Endpoint, openapi
from subgraphs.common.documents.reference import Reference, read_reference
from subgraphs.common.documents.routes import Documents, document_routes, paths

__all__ = ["Documents", "Endpoint", "Reference", "document_routes", "openapi", "paths", "read_reference"]
