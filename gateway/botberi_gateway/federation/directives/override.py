"""`@override`: a field that moves here from another subgraph, at once or for a share of the requests.

Specification: https://www.apollographql.com/docs/graphos/reference/federation/directives#override
"""

from botberi_gateway.federation.directives.model import Definition, SpecifiedDirective
from botberi_gateway.federation.versions import Version

DIRECTIVE = SpecifiedDirective(
    "override",
    Definition(Version(2, 0), "(from: String!) on FIELD_DEFINITION"),
    Definition(Version(2, 7), "(from: String!, label: String) on FIELD_DEFINITION"),
)
