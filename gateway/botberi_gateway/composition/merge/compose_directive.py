"""`@composeDirective` and the federation's own merged directives -> the plan of which directives are composed."""

from collections.abc import Iterator, Sequence

from botberi_gateway.composition.composed_directives import ComposedDirectives, CustomDirective
from botberi_gateway.composition.problem import Level, Problem, place, places
from botberi_gateway.composition.subgraph import Applied, Element, SubgraphSchema
from botberi_gateway.federation import Link, Version
from botberi_gateway.federation.directives import COMPOSED, JOINED
from botberi_gateway.federation.versions import CORE, FEDERATION, LINK


def plan_directives(schemas: Sequence[SubgraphSchema]) -> ComposedDirectives:
    """Errors: `DIRECTIVE_COMPOSITION_ERROR`, `LINK_IMPORT_NAME_MISMATCH`."""
    plan = ComposedDirectives()
    _federation_names(schemas, plan)
    requests: dict[str, list[tuple[SubgraphSchema, Applied, Link]]] = {}
    for schema in schemas:
        for applied in schema.schema.applied("composeDirective"):
            link = _check_request(schema, applied, plan)
            if link is not None and _clashes(schemas, schema, applied, plan):
                continue
            name = applied.text("name")
            if link is not None and name is not None:
                requests.setdefault(name.removeprefix("@"), []).append((schema, applied, link))
    majors = _check_versions(schemas, requests, plan)
    for name, applications in requests.items():
        _plan_one(name, [r for r in applications if r[2].url.identity not in majors], schemas, plan)
    return plan


def _error(plan: ComposedDirectives, message: str, schema: SubgraphSchema, applied: Applied) -> None:
    plan.problems.append(Problem("DIRECTIVE_COMPOSITION_ERROR", message, place(schema.name, applied.node)))


def _check_request(schema: SubgraphSchema, applied: Applied, plan: ComposedDirectives) -> Link | None:
    name = applied.text("name")
    where = f'in "{schema.name}"'
    if not name:
        _error(plan, f"@composeDirective {where} names no directive.", schema, applied)
        return None
    if not name.startswith("@"):
        _error(plan, f'@composeDirective(name: "{name}") {where} lacks the "@" before the name.', schema, applied)
        return None
    local = name[1:]
    if local in schema.federation_names.values():
        specification = next(k for k, v in schema.federation_names.items() if v == local)
        if specification in COMPOSED and (link := schema.links.of(FEDERATION)) is not None and _imports(link, name):
            plan.hints.append(
                Problem(
                    "DIRECTIVE_COMPOSITION_WARN",
                    f'"{name}" {where} is composed anyway: @composeDirective isn\'t needed.',
                    place(schema.name, applied.node),
                    "WARN",
                )
            )
            return None
        if link is not None and _imports(link, name) if (link := schema.links.of(FEDERATION)) else False:
            _error(
                plan, f"\"{name}\" {where} is the federation's own directive and can't be composed.", schema, applied
            )
            return None
    if local not in schema.directive_definitions:
        _error(plan, f'There is no directive "{name}" {where} to compose.', schema, applied)
        return None
    source = schema.links.source_of(local)
    if source is None:
        _error(
            plan, f'"{name}" {where} can\'t be composed: no @link says which specification it is from.', schema, applied
        )
        return None
    return source[0]


def _clashes(
    schemas: Sequence[SubgraphSchema], schema: SubgraphSchema, applied: Applied, plan: ComposedDirectives
) -> bool:
    """Whether a subgraph gives this name to @tag or @inaccessible, which are always composed."""
    local = (applied.text("name") or "")[1:]
    for name in ("tag", "inaccessible"):
        others = [s for s in schemas if s.federation_names.get(name) == local]
        if others:
            listing = ", ".join(f'"{s.name}"' for s in others)
            message = f'"@{local}" of "{schema.name}" can\'t be composed: it is the federation\'s @{name} in {listing}.'
            _error(plan, message, schema, applied)
            return True
    return False


def _imports(link: Link, name: str) -> bool:
    return any(item.alias == name for item in link.imports)


def _check_versions(
    schemas: Sequence[SubgraphSchema],
    requests: dict[str, list[tuple[SubgraphSchema, Applied, Link]]],
    plan: ComposedDirectives,
) -> set[str]:
    """Identities of features that subgraphs compose in versions that are incompatible."""
    requested = {link.url.identity for links in requests.values() for _, _, link in links}
    composing = {(s.name, link.url.identity) for links in requests.values() for s, _, link in links}
    bad = set()
    identities: dict[str, list[tuple[SubgraphSchema, Link]]] = {}
    for schema in schemas:
        for link in schema.links.links:
            identities.setdefault(link.url.identity, []).append((schema, link))
    for identity, links in identities.items():
        if identity in (FEDERATION, LINK, CORE):
            continue
        versions = {_compatible(link.url.version) for _, link in links}
        if len(versions) < 2:
            continue
        at = places((s.name, link.node) for s, link in links)
        asking = {_compatible(link.url.version) for s, link in links if (s.name, identity) in composing}
        if identity in requested and len(asking) > 1:
            bad.add(identity)
            listing = ", ".join(f'{link.url.version} in "{s.name}"' for s, link in links)
            message = f'"{identity}" is composed from versions that are not compatible: {listing}.'
            plan.problems.append(Problem("DIRECTIVE_COMPOSITION_ERROR", message, at))
        else:
            message = f'"{identity}" is linked in versions that are not compatible, which matters if it is composed.'
            plan.hints.append(Problem("DIRECTIVE_COMPOSITION_INFO", message, at, "INFO"))
    return bad


def _compatible(version: Version | None) -> int:
    """The part of a version that has to be the same: the major version, even 0, as in the reference composers."""
    return 0 if version is None else version.major


def _plan_one(
    name: str,
    applications: Sequence[tuple[SubgraphSchema, Applied, Link]],
    schemas: Sequence[SubgraphSchema],
    plan: ComposedDirectives,
) -> None:
    if not applications:
        return
    sources = {(link.url.identity, _original(schema, name)) for schema, _, link in applications}
    if len(sources) > 1:
        listing = ", ".join(f'"{identity}" (@{original})' for identity, original in sorted(sources))
        at = places((s.name, a.node) for s, a, _ in applications)
        message = f'"@{name}" is not the same directive in all subgraphs: it is from {listing}.'
        plan.problems.append(Problem("DIRECTIVE_COMPOSITION_ERROR", message, at))
        return
    # of equal versions the last subgraph's
    newest = max(reversed(applications), key=lambda r: r[2].url.version or Version(0, 0))
    identity, original = next(iter(sources))
    subgraphs = {s.name for s, _, _ in applications}
    for schema in schemas:
        link = schema.links.of(identity)
        if link is not None and schema.name not in subgraphs and link.directive_name(original) != name:
            plan.hints.append(
                Problem(
                    "DIRECTIVE_COMPOSITION_WARN",
                    f'"@{name}" has another name in "{schema.name}", which doesn\'t compose it.',
                    place(schema.name, link.node),
                    "WARN",
                )
            )
    _check_names(name, identity, original, plan, applications)
    plan.custom[name] = CustomDirective(name, newest[0].directive_definitions[name], newest[2], original, subgraphs)


def _check_names(
    name: str,
    identity: str,
    original: str,
    plan: ComposedDirectives,
    applications: Sequence[tuple[SubgraphSchema, Applied, Link]],
) -> None:
    for other in plan.custom.values():
        if other.link is not None and (other.link.url.identity, other.original) == (identity, original):
            at = places((s.name, a.node) for s, a, _ in applications)
            message = f'The directive "@{original}" of "{identity}" is composed as "@{other.name}" and as "@{name}".'
            plan.problems.append(Problem("DIRECTIVE_COMPOSITION_ERROR", message, at))


def _original(schema: SubgraphSchema, name: str) -> str:
    source = schema.links.source_of(name)
    return source[1] if source is not None else name


def _federation_names(schemas: Sequence[SubgraphSchema], plan: ComposedDirectives) -> None:
    applied = {schema.name: _applied_names(schema) for schema in schemas}
    for name in (*COMPOSED, *JOINED):
        used: dict[str, list[SubgraphSchema]] = {}
        for schema in schemas:
            if name in applied[schema.name]:
                local = schema.federation_names[name]
                local = name if local.startswith("federation__") else local
                used.setdefault(local, []).append(schema)
        if not used:
            continue
        if len(used) > 1:
            listing = ", ".join(f'"@{local}" in {" and ".join(s.name for s in users)}' for local, users in used.items())
            level: Level = "ERROR"
            message = f"@{name} has to have one name in all subgraphs, but it is {listing}."
            links = [(s.name, link.node) for users in used.values() for s in users if (link := s.links.of(FEDERATION))]
            plan.problems.append(Problem("LINK_IMPORT_NAME_MISMATCH", message, places(links), level))
        plan.names[name] = next(iter(used))
        plan.used.add(name)


def _applied_names(schema: SubgraphSchema) -> set[str]:
    return {d.name for element in _elements(schema) for d in element.directives if d.federation}


def _elements(schema: SubgraphSchema) -> Iterator[Element]:
    yield schema.schema
    for type_ in schema.types.values():
        yield type_
        yield from type_.input_fields.values()
        yield from type_.values.values()
        for field in type_.fields.values():
            yield field
            yield from field.arguments.values()
    for arguments in schema.directive_arguments.values():
        yield from arguments.values()
