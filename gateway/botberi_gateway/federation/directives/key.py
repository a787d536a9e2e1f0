"""`@key`: the fields by which other subgraphs find an entity.

Specification: https://www.apollographql.com/docs/graphos/reference/federation/directives#key
"""

from botberi_gateway.federation.directives.model import Definition, SpecifiedDirective
from botberi_gateway.federation.versions import Version

DIRECTIVE = SpecifiedDirective(
    "key",
    Definition(
        Version(2, 0),
        "(fields: FieldSet!, resolvable: Boolean = true) repeatable on OBJECT | INTERFACE",
        in_federation_1=True,
    ),
)
