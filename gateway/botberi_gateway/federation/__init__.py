"""The vocabulary of the federation specification, as data: versions, directives, links, field sets."""

from botberi_gateway.federation.field_sets import FieldSetSyntaxError, normal_field_set, parse_field_set
from botberi_gateway.federation.link_model import Import, Link, LinkFault, Links
from botberi_gateway.federation.links import read_links
from botberi_gateway.federation.versions import FeatureUrl, Version

__all__ = [
    "FeatureUrl",
    "FieldSetSyntaxError",
    "Import",
    "Link",
    "LinkFault",
    "Links",
    "Version",
    "normal_field_set",
    "parse_field_set",
    "read_links",
]
