"""`@inaccessible`: an element that is in the supergraph and not in the API schema.

Specification: https://www.apollographql.com/docs/graphos/reference/federation/directives#inaccessible
"""

from botberi_gateway.federation.directives.locations import HIDEABLE
from botberi_gateway.federation.directives.model import Composed, Definition, Merge, SpecifiedDirective
from botberi_gateway.federation.versions import INACCESSIBLE, Version

DIRECTIVE = SpecifiedDirective(
    "inaccessible",
    Definition(Version(2, 0), f"on {HIDEABLE}"),
    composed=Composed(INACCESSIBLE, Version(0, 2), f"on {HIDEABLE}", Merge.ONCE, purpose="SECURITY"),
)
