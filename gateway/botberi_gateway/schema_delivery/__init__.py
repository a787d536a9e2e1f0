"""Where the graph comes from while the gateway runs: files, URLs, buckets, subgraphs; refusals keep the old graph."""

from botberi_gateway.schema_delivery.delivery import DeliveryError, DeliveryStatus, SchemaDelivery
from botberi_gateway.schema_delivery.places import UNREADABLE

__all__ = ["SchemaDelivery", "DeliveryStatus", "DeliveryError", "UNREADABLE"]
