"""`@requiresScopes`: an element for callers that have all scopes of one of the lists.

Specification: https://www.apollographql.com/docs/graphos/reference/federation/directives#requiresscopes
"""

from botberi_gateway.federation.directives.locations import GUARDED
from botberi_gateway.federation.directives.model import Composed, Definition, Merge, SpecifiedDirective
from botberi_gateway.federation.versions import REQUIRES_SCOPES, Version

DIRECTIVE = SpecifiedDirective(
    "requiresScopes",
    Definition(Version(2, 5), f"(scopes: [[Scope!]!]!) on {GUARDED}"),
    composed=Composed(
        REQUIRES_SCOPES,
        Version(0, 1),
        f"(scopes: [[requiresScopes__Scope!]!]!) on {GUARDED}",
        Merge.ALL_REQUIRED,
        purpose="SECURITY",
        scalar="requiresScopes__Scope",
    ),
)
