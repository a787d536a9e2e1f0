"""`@shareable`: a field that several subgraphs may give, each with the same value.

Specification: https://www.apollographql.com/docs/graphos/reference/federation/directives#shareable
"""

from botberi_gateway.federation.directives.model import Definition, SpecifiedDirective
from botberi_gateway.federation.versions import Version

DIRECTIVE = SpecifiedDirective(
    "shareable",
    Definition(Version(2, 0), "on OBJECT | FIELD_DEFINITION"),
    Definition(Version(2, 2), "repeatable on OBJECT | FIELD_DEFINITION"),
)
