"""`@listSize`: how long a list is at most, for the estimated cost of an operation.

Specification: https://www.apollographql.com/docs/graphos/reference/federation/directives#listsize
"""

from botberi_gateway.federation.directives.model import Composed, Definition, Merge, SpecifiedDirective
from botberi_gateway.federation.versions import COST, Version

_SDL = (
    "(assumedSize: Int, slicingArguments: [String!], sizedFields: [String!], requireOneSlicingArgument: Boolean = true)"
    " on FIELD_DEFINITION"
)

DIRECTIVE = SpecifiedDirective(
    "listSize",
    Definition(Version(2, 9), _SDL),
    composed=Composed(COST, Version(0, 1), _SDL, Merge.COSTLIEST, names_arguments="slicingArguments"),
)
