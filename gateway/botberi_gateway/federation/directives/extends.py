"""`@extends`: a type of another subgraph, as federation 1 wrote `extend type`.

Specification: https://www.apollographql.com/docs/graphos/reference/federation/directives#extends
"""

from botberi_gateway.federation.directives.model import Definition, SpecifiedDirective
from botberi_gateway.federation.versions import Version

DIRECTIVE = SpecifiedDirective("extends", Definition(Version(2, 0), "on OBJECT | INTERFACE", in_federation_1=True))
