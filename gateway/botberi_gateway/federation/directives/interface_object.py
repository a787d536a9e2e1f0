"""`@interfaceObject`: an object type that stands for every type of an entity interface.

Specification: https://www.apollographql.com/docs/graphos/reference/federation/directives#interfaceobject
"""

from botberi_gateway.federation.directives.model import Definition, SpecifiedDirective
from botberi_gateway.federation.versions import Version

DIRECTIVE = SpecifiedDirective("interfaceObject", Definition(Version(2, 3), "on OBJECT"))
