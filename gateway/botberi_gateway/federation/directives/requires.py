"""`@requires`: fields of other subgraphs that this field is computed from.

Specification: https://www.apollographql.com/docs/graphos/reference/federation/directives#requires
"""

from botberi_gateway.federation.directives.model import Definition, SpecifiedDirective
from botberi_gateway.federation.versions import Version

DIRECTIVE = SpecifiedDirective(
    "requires", Definition(Version(2, 0), "(fields: FieldSet!) on FIELD_DEFINITION", in_federation_1=True)
)
