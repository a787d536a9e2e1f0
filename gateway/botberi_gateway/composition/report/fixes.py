"""A problem and the subgraphs' texts -> edits that fix it, or none where the text doesn't show what its author meant.

There is one function for each kind of fix; `FIXES` says which codes it serves. An edit must not break what was right:
the tests apply each and compose again.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from graphql import (
    DirectiveNode,
    FieldDefinitionNode,
    ListValueNode,
    Node,
    StringValueNode,
    TypeDefinitionNode,
    TypeExtensionNode,
)

from botberi_gateway.composition.problem import Location, Problem
from botberi_gateway.composition.report.edits import Edit, edit
from botberi_gateway.composition.report.sources import SourceText
from botberi_gateway.federation.versions import KNOWN_FEDERATION, KNOWN_LINK

Fix: TypeAlias = Callable[[Problem, Location, SourceText], Iterator[Edit]]


def fix(problem: Problem, sources: Mapping[str, SourceText]) -> list[Edit]:
    """The edits that fix the problem, if all of them are made."""
    make = FIXES.get(problem.code)
    if make is None:
        return []
    return [e for at in problem.locations if at.subgraph in sources for e in make(problem, at, sources[at.subgraph])]


def _at(source: SourceText, at: Location) -> list[Node]:
    return source.nodes(source.offset(at.line, at.column))


def _remove(source: SourceText, node: Node) -> Edit:
    """An edit that removes the node with the blanks before it, and with its line if nothing else is there."""
    assert node.loc is not None
    start, end = node.loc.start, node.loc.end
    while start > 0 and source.sdl[start - 1] in " \t":
        start -= 1
    line_start = start == 0 or source.sdl[start - 1] in "\r\n"
    if line_start and end < len(source.sdl) and source.sdl[end] in "\r\n":
        end += 2 if source.sdl.startswith("\r\n", end) else 1
    return edit(source, start, end, "")


def remove_directive(problem: Problem, at: Location, source: SourceText) -> Iterator[Edit]:
    """Removes the directive at the place."""
    for node in _at(source, at):
        if isinstance(node, DirectiveNode):
            yield _remove(source, node)
            return


def remove_own_directive(name: str) -> Fix:
    """Removes the directive `name` from the definition at the place."""

    def make(problem: Problem, at: Location, source: SourceText) -> Iterator[Edit]:
        local = source.federation_name(name)
        for node in _at(source, at):
            for directive in getattr(node, "directives", None) or ():
                if isinstance(node, FieldDefinitionNode | TypeDefinitionNode) and directive.name.value in (local, name):
                    yield _remove(source, directive)
                    return

    return make


def remove_named_directive(problem: Problem, at: Location, source: SourceText) -> Iterator[Edit]:
    """Removes the directive with which the message begins."""
    match = re.match(r"@(\w+) on ", problem.message)
    if match is not None:
        yield from remove_own_directive(match[1])(problem, at, source)


def add_directive(name: str) -> Fix:
    """Adds the directive `name` to the field or type at the place."""

    def make(problem: Problem, at: Location, source: SourceText) -> Iterator[Edit]:
        local = source.federation_name(name)
        for node in _at(source, at):
            if local is None or node.loc is None:
                continue
            if isinstance(node, FieldDefinitionNode) and node.type.loc is not None:
                end = node.type.loc.end
            elif isinstance(node, TypeDefinitionNode) and node.name.loc is not None:
                last = (*(getattr(node, "interfaces", None) or ()), node.name)
                end = max(n.loc.end for n in last if n.loc is not None)
            else:
                continue
            yield edit(source, end, end, f" @{local}")
            return

    return make


def extension_as_definition(problem: Problem, at: Location, source: SourceText) -> Iterator[Edit]:
    """`extend type T` -> `type T`."""
    start = source.offset(at.line, at.column)
    match = re.compile(r"extend\s+(?=[a-z])").match(source.sdl, start)
    if match is not None and any(isinstance(node, TypeExtensionNode) for node in _at(source, at)):
        yield edit(source, start, match.end(), "")


def key_of_interface(problem: Problem, at: Location, source: SourceText) -> Iterator[Edit]:
    """Adds the interface's key, which is the second place, to the type at the first place."""
    if len(problem.locations) != 2 or at is not problem.locations[0]:
        return
    keys = [node for node in _at(source, problem.locations[1]) if isinstance(node, DirectiveNode)]
    for node in _at(source, at):
        if keys and keys[0].loc is not None and isinstance(node, TypeDefinitionNode) and node.name.loc is not None:
            last = (*(getattr(node, "interfaces", None) or ()), node.name)
            end = max(n.loc.end for n in last if n.loc is not None)
            yield edit(source, end, end, f" {source.sdl[keys[0].loc.start : keys[0].loc.end]}")
            return


def remove_field(problem: Problem, at: Location, source: SourceText) -> Iterator[Edit]:
    """Removes the field at the place, unless its type would have no fields left."""
    for node in _at(source, at):
        if source.siblings(node) > 1:
            yield _remove(source, node)
            return


def _fields_argument(source: SourceText, at: Location) -> Iterator[Node]:
    for node in _at(source, at):
        if isinstance(node, DirectiveNode):
            for argument in node.arguments or ():
                if argument.name.value == "fields" and argument.value.loc is not None:
                    yield argument.value
            return


def field_set_as_string(problem: Problem, at: Location, source: SourceText) -> Iterator[Edit]:
    """`["id", "name"]` -> `"id name"`."""
    for value in _fields_argument(source, at):
        if isinstance(value, ListValueNode) and all(isinstance(v, StringValueNode) for v in value.values):
            names = " ".join(v.value for v in value.values if isinstance(v, StringValueNode))
            if value.loc is not None and names and '"' not in names and "\n" not in names:
                yield edit(source, value.loc.start, value.loc.end, f'"{names}"')


def field_set_without_directives(problem: Problem, at: Location, source: SourceText) -> Iterator[Edit]:
    """`"id @include(if: true)"` -> `"id"`."""
    for value in _fields_argument(source, at):
        if isinstance(value, StringValueNode) and value.loc is not None and not value.block:
            bare = re.sub(r"\s*@\w+(\s*\([^()]*\))?", "", value.value)
            if "@" not in bare and '"' not in bare and "\\" not in bare:
                yield edit(source, value.loc.start, value.loc.end, f'"{bare}"')


def known_version(newest: object) -> Fix:
    """Writes the newest version that this gateway knows into the URL of the link at the place."""

    def make(problem: Problem, at: Location, source: SourceText) -> Iterator[Edit]:
        for node in _at(source, at):
            for argument in getattr(node, "arguments", None) or ():
                if argument.name.value in ("url", "feature") and isinstance(argument.value, StringValueNode):
                    value = argument.value
                    url, cut, _ = value.value.rpartition("/")
                    if value.loc is not None and cut:
                        yield edit(source, value.loc.start, value.loc.end, f'"{url}/{newest}"')

    return make


def suggested_name(problem: Problem, at: Location, source: SourceText) -> Iterator[Edit]:
    """Replaces a name by the one that GraphQL's own message suggests."""
    match = re.search(r"Unknown (?:type|directive) '@?(\w+)'\. Did you mean '@?(\w+)'", problem.message)
    if match is None:
        return
    start = source.offset(at.line, at.column)
    start += source.sdl.startswith("@", start)
    if source.sdl.startswith(match[1], start):
        yield edit(source, start, start + len(match[1]), match[2])


def missing_at(problem: Problem, at: Location, source: SourceText) -> Iterator[Edit]:
    """Adds the @ to an import of a directive, as the message says."""
    match = re.search(r'write "(@\w+)"', problem.message)
    if match is None:
        return
    for node in _at(source, at):
        if isinstance(node, DirectiveNode) and node.loc is not None:
            begin = source.sdl.find(f'"{match[1][1:]}"', node.loc.start, node.loc.end)
            if begin >= 0:
                yield edit(source, begin, begin + len(match[1]) + 1, f'"{match[1]}"')


FIXES: Final[Mapping[str, Fix]] = {
    "AUTH_REQUIREMENTS_APPLIED_ON_INTERFACE": remove_directive,
    "COST_APPLIED_TO_INTERFACE_FIELD": remove_directive,
    "EXTENSION_WITH_NO_BASE": extension_as_definition,
    "EXTERNAL_COLLISION_WITH_ANOTHER_DIRECTIVE": remove_directive,
    "EXTERNAL_ON_INTERFACE": remove_own_directive("external"),
    "EXTERNAL_UNUSED": remove_field,
    "FROM_SUBGRAPH_DOES_NOT_EXIST": remove_directive,
    "IMPLEMENTED_BY_INACCESSIBLE": remove_own_directive("inaccessible"),
    "INTERFACE_KEY_NOT_ON_IMPLEMENTATION": key_of_interface,
    "INVALID_FIELD_SHARING": add_directive("shareable"),
    "INVALID_GRAPHQL": suggested_name,
    "INVALID_LINK_DIRECTIVE_USAGE": missing_at,
    "INVALID_SHAREABLE_USAGE": remove_directive,
    "KEY_DIRECTIVE_IN_FIELDS_ARG": field_set_without_directives,
    "KEY_INVALID_FIELDS_TYPE": field_set_as_string,
    "LIST_SIZE_APPLIED_TO_NON_LIST": remove_directive,
    "MERGED_DIRECTIVE_APPLICATION_ON_EXTERNAL": remove_named_directive,
    "ONLY_INACCESSIBLE_CHILDREN": add_directive("inaccessible"),
    "OVERRIDDEN_FIELD_CAN_BE_REMOVED": remove_field,
    "OVERRIDE_DIRECTIVE_CAN_BE_REMOVED": remove_directive,
    "OVERRIDE_FROM_SELF_ERROR": remove_directive,
    "OVERRIDE_ON_INTERFACE": remove_directive,
    "PROVIDES_DIRECTIVE_IN_FIELDS_ARG": field_set_without_directives,
    "PROVIDES_INVALID_FIELDS_TYPE": field_set_as_string,
    "PROVIDES_ON_NON_OBJECT_FIELD": remove_directive,
    "PROVIDES_UNSUPPORTED_ON_INTERFACE": remove_directive,
    "QUERY_ROOT_TYPE_INACCESSIBLE": remove_own_directive("inaccessible"),
    "REFERENCED_INACCESSIBLE": add_directive("inaccessible"),
    "REQUIRES_DIRECTIVE_IN_FIELDS_ARG": field_set_without_directives,
    "REQUIRES_INVALID_FIELDS_TYPE": field_set_as_string,
    "REQUIRES_UNSUPPORTED_ON_INTERFACE": remove_directive,
    "UNKNOWN_FEDERATION_LINK_VERSION": known_version(max(KNOWN_FEDERATION)),
    "UNKNOWN_LINK_VERSION": known_version(max(KNOWN_LINK)),
}
