"""The directives that are composed -> their definitions, links and scalars in the supergraph."""

from collections.abc import Mapping

from graphql import (
    ConstArgumentNode,
    ConstDirectiveNode,
    ConstListValueNode,
    ConstObjectFieldNode,
    ConstObjectValueNode,
    ConstValueNode,
    DirectiveDefinitionNode,
    EnumValueNode,
    InputValueDefinitionNode,
    NameNode,
    StringValueNode,
)

from botberi_gateway.composition.merge.arguments import merge_arguments
from botberi_gateway.composition.merge_state import MergeState, names_of
from botberi_gateway.composition.subgraph import SubgraphSchema
from botberi_gateway.federation import Import, Version
from botberi_gateway.federation.directives import COMPOSED, JOINED
from botberi_gateway.federation.specified import EXECUTABLE_LOCATIONS, definition
from botberi_gateway.supergraph import JoinType, SupergraphType

_GRAPHQL = frozenset({"deprecated", "specifiedBy", "oneOf", "skip", "include", "defer", "stream"})


def merged_definitions(
    state: MergeState, executable: Mapping[str, DirectiveDefinitionNode]
) -> tuple[DirectiveDefinitionNode, ...]:
    """The definitions in the order of names. All elements have to be merged before, which note what is used."""
    definitions = dict(executable)
    for name, custom in state.composed.custom.items():
        definitions[name] = _cleaned(state, custom.definition, custom.subgraphs)
    for directive, feature in COMPOSED.items():
        if directive in state.composed.used:
            name = state.composed.names[directive]
            definitions[name] = _renamed(definition(directive, feature.sdl), name)
            definitions |= {other: definition(other, sdl) for other, sdl in feature.beside.items()}
    return tuple(definitions[name] for name in sorted(definitions))


def _renamed(node: DirectiveDefinitionNode, name: str) -> DirectiveDefinitionNode:
    return DirectiveDefinitionNode(
        name=NameNode(value=name),
        description=node.description,
        arguments=node.arguments,
        repeatable=node.repeatable,
        locations=node.locations,
    )


def _cleaned(state: MergeState, node: DirectiveDefinitionNode, subgraphs: set[str]) -> DirectiveDefinitionNode:
    """Directives on arguments stay if they are composed themselves."""
    kept = set(state.composed.custom) | {"deprecated"}
    owner = next(s for s in state.schemas if s.name in subgraphs)
    local = {owner.federation_names[n]: name for n, name in state.composed.names.items() if n in owner.federation_names}
    arguments = []
    for argument in node.arguments or ():
        directives = []
        for applied in argument.directives or ():
            name = applied.name.value
            if name in local:
                directives.append(ConstDirectiveNode(name=NameNode(value=local[name]), arguments=applied.arguments))
            elif name in kept:
                directives.append(applied)
        arguments.append(
            InputValueDefinitionNode(
                name=argument.name,
                description=argument.description,
                type=argument.type,
                default_value=argument.default_value,
                directives=tuple(directives),
            )
        )
    return DirectiveDefinitionNode(
        name=node.name,
        description=node.description,
        arguments=tuple(arguments),
        repeatable=node.repeatable,
        locations=node.locations,
    )


def executable_definitions(state: MergeState) -> dict[str, DirectiveDefinitionNode]:
    """The executable directives that all subgraphs have, at their common locations: the gateway passes them on."""
    names = dict.fromkeys(name for s in state.schemas for name in s.directive_definitions if name not in _GRAPHQL)
    definitions = {}
    for name in names:
        if name in state.composed.custom:
            continue
        having = [(s, s.directive_definitions[name]) for s in state.schemas if name in s.directive_definitions]
        executable = [(s, d) for s, d in having if _locations(d)]
        if not executable:
            continue
        at = [(s, d) for s, d in executable]
        lacking = [s for s in state.schemas if s.name not in {x.name for x, _ in executable}]
        if lacking:
            state.hint(
                "INCONSISTENT_EXECUTABLE_DIRECTIVE_PRESENCE",
                f'"@{name}" is left out of the supergraph: {names_of(lacking)} doesn\'t know it.',
                "WARN",
                at,
            )
            continue
        common = [
            location
            for location in _locations(executable[0][1])
            if all(location in _locations(d) for _, d in executable)
        ]
        if not common:
            state.hint(
                "NO_EXECUTABLE_DIRECTIVE_INTERSECTION",
                f'"@{name}" is left out of the supergraph: it has no location in common in all subgraphs.',
                "WARN",
                at,
            )
            continue
        if any(set(_locations(d)) != set(common) for _, d in executable):
            message = f'"@{name}" has different locations; the supergraph has {", ".join(common)}.'
            state.hint("INCONSISTENT_EXECUTABLE_DIRECTIVE_LOCATIONS", message, "WARN", at)
        if len({d.repeatable for _, d in executable}) > 1:
            message = f'"@{name}" is repeatable in some subgraphs alone; in the supergraph it is not.'
            state.hint("INCONSISTENT_EXECUTABLE_DIRECTIVE_REPEATABLE", message, "WARN", at)
        definitions[name] = _merge_executable(state, name, executable, common)
    return definitions


def _locations(node: DirectiveDefinitionNode) -> list[str]:
    return [location.value for location in node.locations if location.value in EXECUTABLE_LOCATIONS]


def _merge_executable(
    state: MergeState,
    name: str,
    sources: list[tuple[SubgraphSchema, DirectiveDefinitionNode]],
    locations: list[str],
) -> DirectiveDefinitionNode:
    arguments = [(schema, schema.directive_arguments[name]) for schema, _ in sources]
    return DirectiveDefinitionNode(
        name=NameNode(value=name),
        description=next((d.description for _, d in sources if d.description), None),
        arguments=merge_arguments(state, f"@{name}", arguments),
        repeatable=all(d.repeatable for _, d in sources),
        locations=tuple(NameNode(value=location) for location in locations),
    )


def feature_types(state: MergeState) -> dict[str, SupergraphType]:
    """Scalars that the definitions of features need; they are in the subgraphs that apply the directive."""
    scalars = {}
    for directive, feature in COMPOSED.items():
        if feature.scalar is not None and directive in state.composed.used:
            joins = tuple(JoinType(s.graph) for s in state.schemas if directive in s.federation_names)
            scalars[feature.scalar] = SupergraphType(feature.scalar, "SCALAR", joins)
    return scalars


def feature_links(state: MergeState) -> tuple[ConstDirectiveNode, ...]:
    """`@link`s of everything composed; the link and join specifications' own are the printer's."""
    links: dict[str, tuple[Version | None, str | None, list[Import]]] = {}
    for directive, feature in COMPOSED.items():
        if directive not in state.composed.used:
            continue
        _, _, imports = links.setdefault(feature.identity, (feature.version, feature.purpose, []))
        name = state.composed.names[directive]
        if name != feature.identity.rsplit("/", 1)[-1]:
            imports.append(Import(f"@{directive}", f"@{name}"))
    for directive, feature in JOINED.items():
        if directive in state.composed.used:
            links.setdefault(feature.identity, (feature.version, feature.purpose, []))
    for custom in state.composed.custom.values():
        if custom.link is not None:
            url = custom.link.url
            _, _, imports = links.setdefault(url.identity, (url.version, None, []))
            imports.append(Import(f"@{custom.original}", f"@{custom.name}"))
    return tuple(_link(identity, *parts) for identity, parts in links.items())


def _link(identity: str, version: Version | None, purpose: str | None, imports: list[Import]) -> ConstDirectiveNode:
    url = f"{identity}/{version}" if version else identity
    arguments: dict[str, ConstValueNode] = {"url": StringValueNode(value=url, block=False)}
    if imports:
        ordered = sorted(imports, key=lambda i: i.alias)
        arguments["import"] = ConstListValueNode(values=tuple(_import(item) for item in ordered))
    if purpose:
        arguments["for"] = EnumValueNode(value=purpose)
    return ConstDirectiveNode(
        name=NameNode(value="link"),
        arguments=tuple(ConstArgumentNode(name=NameNode(value=k), value=v) for k, v in arguments.items()),
    )


def _import(item: Import) -> ConstValueNode:
    if item.name == item.alias:
        return StringValueNode(value=item.name, block=False)
    return ConstObjectValueNode(
        fields=tuple(
            ConstObjectFieldNode(name=NameNode(value=key), value=StringValueNode(value=value, block=False))
            for key, value in (("name", item.name), ("as", item.alias))
        )
    )
