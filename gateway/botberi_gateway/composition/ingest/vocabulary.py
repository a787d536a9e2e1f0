"""A subgraph's links -> which local names mean which federation directives and types."""

from collections.abc import Collection
from dataclasses import dataclass

from graphql import (
    DefinitionNode,
    DirectiveDefinitionNode,
    InputValueDefinitionNode,
    ListTypeNode,
    NamedTypeNode,
    NameNode,
    NonNullTypeNode,
    ScalarTypeDefinitionNode,
    TypeNode,
    parse,
)

from botberi_gateway.federation import Links, Version
from botberi_gateway.federation.directives import COMPOSED, directives_of
from botberi_gateway.federation.specified import FEDERATION_1_TYPES, TYPES, definition, types_of
from botberi_gateway.federation.versions import FEDERATION, UPGRADED

_LINK_SDL = """
directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA
scalar link__Import
enum link__Purpose { SECURITY EXECUTION }
"""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Specification name -> local name, and the definitions under the local names."""

    directives: dict[str, str]
    types: dict[str, str]
    definitions: dict[str, DirectiveDefinitionNode]
    #: Of directives that a federation 1 schema defines itself: they are the specification's once it is upgraded.
    upgraded: dict[str, DirectiveDefinitionNode]
    federation_1: bool


def vocabulary(links: Links, version: Version, defined: Collection[str] = ()) -> Vocabulary:
    """The directives and types that a schema can use, by its version, its links and its own definitions."""
    link = links.of(FEDERATION)
    specified = directives_of(version)
    if link is None:
        directives = {name: name for name in specified}
        types = {"FieldSet": FEDERATION_1_TYPES[0]}
        # what a federation 1 schema defines under these names means the same once it is upgraded
        directives |= {name: name for name in directives_of(UPGRADED) if name in defined}
    else:
        directives = {name: link.directive_name(name) for name in specified}
        types = {name: link.type_name(name) for name in types_of(version)}
    for name, feature in COMPOSED.items():  # a schema may link `tag`, `cost`, … on their own too
        feature_link = links.of(feature.identity)
        if feature_link is not None:
            local = feature_link.directive_name(name)
            if name not in directives or directives[name] not in _imported(links):
                directives[name] = local
    newest = directives_of(max(version, Version(2, 14)))
    definitions = {
        local: _localize(definition(name, specified.get(name, newest[name])), local, types)
        for name, local in directives.items()
        if name in specified or link is not None or local not in defined
    }
    upgraded = {
        name: _localize(definition(name, directives_of(UPGRADED)[name]), name, types)
        for name in (directives if link is None else ())
        if name not in definitions and name in directives_of(UPGRADED)
    }
    return Vocabulary(directives, types, definitions, upgraded, link is None)


def applicable(
    definition: DirectiveDefinitionNode | None, specified: DirectiveDefinitionNode, words: Vocabulary
) -> DirectiveDefinitionNode:
    """The definition that applications of a directive have to fit.

    A subgraph's own may have fewer arguments and locations than the specification's, and not be repeatable.
    """
    if definition is None or (words.federation_1 and is_replaced(definition)):
        return specified
    names = {a.name.value for a in definition.arguments or ()}
    return DirectiveDefinitionNode(
        name=specified.name,
        description=None,
        arguments=tuple(a for a in specified.arguments or () if a.name.value in names),
        repeatable=definition.repeatable,
        locations=definition.locations,
    )


#: Federation 1 libraries printed the field set's type in these ways; such definitions are replaced.
_OLD_FIELD_SETS = frozenset({"String", "_FieldSet", "FieldSet"})


def is_replaced(definition: DirectiveDefinitionNode) -> bool:
    """Whether it is a definition as federation 1 libraries printed it, for which the specification's is taken."""
    if definition.name.value not in ("key", "provides", "requires"):
        return False
    arguments = definition.arguments or ()
    if not arguments:
        return True
    only = arguments[0].type
    return len(arguments) == 1 and isinstance(only, NamedTypeNode) and only.name.value in _OLD_FIELD_SETS


def _imported(links: Links) -> set[str]:
    link = links.of(FEDERATION)
    return {item.alias[1:] for item in link.imports if item.alias.startswith("@")} if link else set()


def _localize(node: DirectiveDefinitionNode, local: str, types: dict[str, str]) -> DirectiveDefinitionNode:
    field_set = types.get("FieldSet", "FieldSet")
    names = {**{name: f"federation__{name}" for name in TYPES}, **types, "FieldSet": field_set}
    return DirectiveDefinitionNode(
        name=NameNode(value=local),
        description=None,
        arguments=tuple(
            InputValueDefinitionNode(
                name=a.name,
                description=None,
                type=rename_type(a.type, names),
                default_value=a.default_value,
                directives=(),
            )
            for a in node.arguments or ()
        ),
        repeatable=node.repeatable,
        locations=node.locations,
    )


def rename_type(node: TypeNode, names: dict[str, str]) -> TypeNode:
    """The same type with other names; the node itself where nothing changes."""
    if isinstance(node, NamedTypeNode):
        new = names.get(node.name.value)
        return node if new is None else NamedTypeNode(name=NameNode(value=new, loc=node.name.loc), loc=node.loc)
    assert isinstance(node, ListTypeNode | NonNullTypeNode)
    inner = rename_type(node.type, names)
    if inner is node.type:
        return node
    if isinstance(node, ListTypeNode):
        return ListTypeNode(type=inner, loc=node.loc)
    assert isinstance(inner, NamedTypeNode | ListTypeNode)
    return NonNullTypeNode(type=inner, loc=node.loc)


def link_definitions(link_name: str | None) -> list[DefinitionNode]:
    """The definitions that `@link` consists of, under its local name."""
    if link_name is None:
        return []
    return list(
        parse(
            _LINK_SDL.replace("@link(", f"@{link_name}(").replace("url:", "url: String, feature:", 1)
            if link_name == "core"
            else _LINK_SDL.replace("@link(", f"@{link_name}("),
            no_location=True,
        ).definitions
    )


def scalar(name: str) -> ScalarTypeDefinitionNode:
    return ScalarTypeDefinitionNode(name=NameNode(value=name), description=None, directives=())
