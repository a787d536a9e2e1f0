"""`@composeDirective`: a directive of the subgraph's own that the supergraph keeps.

Specification: https://www.apollographql.com/docs/graphos/reference/federation/directives#composedirective
"""

from botberi_gateway.federation.directives.model import Definition, SpecifiedDirective
from botberi_gateway.federation.versions import Version

DIRECTIVE = SpecifiedDirective("composeDirective", Definition(Version(2, 1), "(name: String) repeatable on SCHEMA"))
