"""`@cacheTag`: a label by which cached entities and root fields are invalidated.

Specification: https://www.apollographql.com/docs/graphos/reference/federation/directives#cachetag
"""

from botberi_gateway.federation.directives.model import Composed, Definition, Merge, SpecifiedDirective
from botberi_gateway.federation.versions import CACHE_TAG, Version

DIRECTIVE = SpecifiedDirective(
    "cacheTag",
    Definition(Version(2, 12), "(format: String!) repeatable on OBJECT | FIELD_DEFINITION"),
    composed=Composed(CACHE_TAG, Version(0, 1), "", Merge.BY_SUBGRAPH, purpose="EXECUTION"),
)
