"""`@authenticated`: an element for callers that have proved who they are.

Specification: https://www.apollographql.com/docs/graphos/reference/federation/directives#authenticated
"""

from botberi_gateway.federation.directives.locations import GUARDED
from botberi_gateway.federation.directives.model import Composed, Definition, Merge, SpecifiedDirective
from botberi_gateway.federation.versions import AUTHENTICATED, Version

DIRECTIVE = SpecifiedDirective(
    "authenticated",
    Definition(Version(2, 5), f"on {GUARDED}"),
    composed=Composed(AUTHENTICATED, Version(0, 1), f"on {GUARDED}", Merge.ONCE, purpose="SECURITY"),
)
