"""The directives of the federation specification: a file for each, which is all that says what it is.

A file says the directive's definitions and since which version each holds, where it may stand, and how it merges. A
new file here is found by itself.
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from botberi_gateway.federation.directives.model import Composed, Definition, Merge, SpecifiedDirective
from botberi_gateway.federation.versions import Version

__all__ = ["COMPOSED", "DIRECTIVES", "JOINED", "Composed", "Definition", "Merge", "SpecifiedDirective", "directives_of"]


def _read() -> list[SpecifiedDirective]:
    found = []
    for module in iter_modules(__path__):
        directive = getattr(import_module(f"{__name__}.{module.name}"), "DIRECTIVE", None)
        if isinstance(directive, SpecifiedDirective):
            found.append(directive)
    return sorted(found, key=lambda directive: (directive.since, directive.name))


#: By name, in the order of versions.
DIRECTIVES: dict[str, SpecifiedDirective] = {directive.name: directive for directive in _read()}
_IN_SUPERGRAPH = {d.name: d.composed for d in DIRECTIVES.values() if d.composed is not None}
#: Those that the supergraph has, by name.
COMPOSED: dict[str, Composed] = {n: c for n, c in _IN_SUPERGRAPH.items() if c.merge is not Merge.BY_SUBGRAPH}
#: Those that the supergraph has as `@join__directive`, with a link and without a definition.
JOINED: dict[str, Composed] = {n: c for n, c in _IN_SUPERGRAPH.items() if c.merge is Merge.BY_SUBGRAPH}


@cache
def directives_of(version: Version) -> dict[str, str]:
    """Name -> the text of its definition, for a schema of this federation version (`FEDERATION_1` for federation 1)."""
    found = {name: directive.definition(version) for name, directive in DIRECTIVES.items()}
    return {name: definition.sdl for name, definition in found.items() if definition is not None}
