"""`@tag`: a label, by which contracts choose what they keep.

Specification: https://www.apollographql.com/docs/graphos/reference/federation/directives#tag
"""

from botberi_gateway.federation.directives.locations import HIDEABLE
from botberi_gateway.federation.directives.model import Composed, Definition, Merge, SpecifiedDirective
from botberi_gateway.federation.versions import TAG, Version

_SINCE_2_0 = f"(name: String!) repeatable on {HIDEABLE}"
_SINCE_2_3 = f"{_SINCE_2_0} | SCHEMA"

DIRECTIVE = SpecifiedDirective(
    "tag",
    Definition(Version(2, 0), _SINCE_2_0, in_federation_1=True),
    Definition(Version(2, 3), _SINCE_2_3),
    composed=Composed(TAG, Version(0, 3), _SINCE_2_3, Merge.EACH),
)
