"""`@policy`: an element for callers that fulfil all policies of one of the lists.

Specification: https://www.apollographql.com/docs/graphos/reference/federation/directives#policy
"""

from botberi_gateway.federation.directives.locations import GUARDED
from botberi_gateway.federation.directives.model import Composed, Definition, Merge, SpecifiedDirective
from botberi_gateway.federation.versions import POLICY, Version

DIRECTIVE = SpecifiedDirective(
    "policy",
    Definition(Version(2, 6), f"(policies: [[Policy!]!]!) on {GUARDED}"),
    composed=Composed(
        POLICY,
        Version(0, 1),
        f"(policies: [[policy__Policy!]!]!) on {GUARDED}",
        Merge.ALL_REQUIRED,
        purpose="SECURITY",
        scalar="policy__Policy",
    ),
)
