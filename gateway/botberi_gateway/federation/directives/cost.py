"""`@cost`: the weight of an element in the estimated cost of an operation.

Specification: https://www.apollographql.com/docs/graphos/reference/federation/directives#cost
"""

from botberi_gateway.federation.directives.model import Composed, Definition, Merge, SpecifiedDirective
from botberi_gateway.federation.versions import COST, Version

_SDL = "(weight: Int!) on ARGUMENT_DEFINITION | ENUM | FIELD_DEFINITION | INPUT_FIELD_DEFINITION | OBJECT | SCALAR"

DIRECTIVE = SpecifiedDirective(
    "cost",
    Definition(Version(2, 9), _SDL),
    composed=Composed(COST, Version(0, 1), _SDL, Merge.COSTLIEST),
)
