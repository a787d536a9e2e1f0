"""`@external`: a field that another subgraph gives; this one only names it.

Specification: https://www.apollographql.com/docs/graphos/reference/federation/directives#external
"""

from botberi_gateway.federation.directives.model import Definition, SpecifiedDirective
from botberi_gateway.federation.versions import Version

DIRECTIVE = SpecifiedDirective(
    "external", Definition(Version(2, 0), "(reason: String) on OBJECT | FIELD_DEFINITION", in_federation_1=True)
)
