"""`@context`: a type whose fields `@fromContext` arguments below it may read.

Specification: https://www.apollographql.com/docs/graphos/reference/federation/directives#context
"""

from botberi_gateway.federation.directives.model import Composed, Definition, Merge, SpecifiedDirective
from botberi_gateway.federation.versions import CONTEXT, Version

_SDL = "(name: String!) repeatable on INTERFACE | OBJECT | UNION"

DIRECTIVE = SpecifiedDirective(
    "context",
    Definition(Version(2, 8), _SDL),
    composed=Composed(
        CONTEXT,
        Version(0, 1),
        _SDL,
        Merge.CONTEXT,
        purpose="SECURITY",
        scalar="context__ContextFieldValue",
        beside={"context__fromContext": "(field: context__ContextFieldValue) on ARGUMENT_DEFINITION"},
    ),
)
