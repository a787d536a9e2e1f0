"""`@fromContext`: an argument whose value is a field of an object above, which `@context` names.

Specification: https://www.apollographql.com/docs/graphos/reference/federation/directives#fromcontext
"""

from botberi_gateway.federation.directives.model import Definition, SpecifiedDirective
from botberi_gateway.federation.versions import Version

DIRECTIVE = SpecifiedDirective(
    "fromContext", Definition(Version(2, 8), "(field: ContextFieldValue) on ARGUMENT_DEFINITION")
)
