"""`@provides`: `@external` fields that this subgraph gives at one place.

Specification: https://www.apollographql.com/docs/graphos/reference/federation/directives#provides
"""

from botberi_gateway.federation.directives.model import Definition, SpecifiedDirective
from botberi_gateway.federation.versions import Version

DIRECTIVE = SpecifiedDirective(
    "provides", Definition(Version(2, 0), "(fields: FieldSet!) on FIELD_DEFINITION", in_federation_1=True)
)
