"""`@override` on a field -> which subgraphs still resolve it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from botberi_gateway.composition.merge_state import MergeState, Source
from botberi_gateway.composition.subgraph import Applied, SubgraphSchema

_LABEL = re.compile(r"[a-zA-Z][a-zA-Z0-9_\-:./]*")
_PERCENT = re.compile(r"percent\((100|\d{1,2}(\.\d{1,8})?)\)")


@dataclass(slots=True)
class Overrides:
    """Names of subgraphs: those in `dropped` no longer have the field, in `used` they have it for keys and the like."""

    dropped: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    #: Overridden under a label: still resolves it for some requests.
    labels: dict[str, str] = field(default_factory=dict)
    #: Overriding subgraph -> (from, label).
    by: dict[str, tuple[str, str | None]] = field(default_factory=dict)

    @property
    def still_held(self) -> frozenset[str]:
        """Subgraphs that are overridden and have the field all the same."""
        return frozenset(self.used | self.labels.keys())


def read_overrides(state: MergeState, coordinate: str, sources: Sequence[Source]) -> Overrides:
    """Check every `@override` of this field and say what they come to."""
    result = Overrides()
    if not any(definition.has("override") for _, _, definition in sources):
        return result
    here = {s.name: (s, t, f) for s, t, f in sources}
    names = state.names
    for schema, type_, definition in sources:
        applied = next(definition.applied("override"), None)
        if applied is None:
            continue
        source = applied.text("from") or ""
        label = applied.text("label")
        at = [(schema, applied.node)]
        if type_.kind == "INTERFACE" or type_.is_interface_object:
            kind = "an interface object" if type_.is_interface_object else "an interface"
            state.error(
                # the code of the reference composers: @interfaceObject is the directive that is collided with
                "OVERRIDE_COLLISION_WITH_ANOTHER_DIRECTIVE" if type_.is_interface_object else "OVERRIDE_ON_INTERFACE",
                f'"{coordinate}" in "{schema.name}" can\'t be an @override: it is a field of {kind}.',
                at,
            )
            continue
        if source == schema.name:
            state.error(
                "OVERRIDE_FROM_SELF_ERROR", f'"{coordinate}" in "{schema.name}" overrides its own subgraph.', at
            )
            continue
        if source not in names:
            state.hint(
                "FROM_SUBGRAPH_DOES_NOT_EXIST",
                f'"{coordinate}" in "{schema.name}" overrides "{source}", which is no subgraph.',
                "WARN",
                at,
            )
            result.by[schema.name] = (source, None)
            continue
        if source not in here:
            state.hint(
                "OVERRIDE_DIRECTIVE_CAN_BE_REMOVED",
                f'"{source}" no longer has "{coordinate}": the @override in "{schema.name}" can be removed.',
                "INFO",
                at,
            )
            result.by[schema.name] = (source, None)
            continue
        other, other_type, other_field = here[source]
        if other.is_external(other_type, other_field):
            if _collides(state, coordinate, (schema, type_, definition), here[source], applied):
                continue
            state.hint(
                "OVERRIDE_DIRECTIVE_CAN_BE_REMOVED",
                f'"{source}" doesn\'t resolve "{coordinate}": the @override in "{schema.name}" can be removed.',
                "INFO",
                at,
            )
            result.by[schema.name] = (source, None)
            continue
        _apply(state, coordinate, (schema, type_, definition), here[source], applied, label, result)
    return result


def _apply(
    state: MergeState,
    coordinate: str,
    overriding: Source,
    overridden: Source,
    applied: Applied,
    label: str | None,
    result: Overrides,
) -> None:
    schema = overriding[0]
    other, other_type, other_field = overridden
    if next(other_field.applied("override"), None) is not None:
        state.error(
            "OVERRIDE_SOURCE_HAS_OVERRIDE",
            f'"{coordinate}" in "{schema.name}" overrides "{other.name}", where it is an @override itself.',
            [(schema, applied.node), (other, other_field.node)],
        )
        return
    if _collides(state, coordinate, overriding, overridden, applied):
        return
    if label is not None and not (_LABEL.fullmatch(label) or _PERCENT.fullmatch(label)):
        state.error(
            "OVERRIDE_LABEL_INVALID",
            f'The label "{label}" on "{coordinate}" in "{schema.name}" is neither percent(0 to 100) '
            "nor a name (a letter, then letters, digits, and any of _ - : . /).",
            [(schema, applied.node)],
        )
    result.by[schema.name] = (other.name, label)
    used = (other_type.name, other_field.name) in other.used
    if label is not None:
        result.labels[other.name] = label
        if used:
            result.used.add(other.name)
        state.hint(
            "OVERRIDE_MIGRATION_IN_PROGRESS",
            f'"{coordinate}" is on its way from "{other.name}" to "{schema.name}" (label "{label}").',
            "INFO",
            [(schema, applied.node)],
        )
        return
    if used:
        result.used.add(other.name)
    else:
        result.dropped.add(other.name)
    state.hint(
        "OVERRIDDEN_FIELD_CAN_BE_REMOVED",
        f'"{coordinate}" in "{other.name}" is overridden by "{schema.name}" and can be '
        + ("marked @external." if used else "removed."),
        "INFO",
        [(other, other_field.node)],
    )


def _collides(state: MergeState, coordinate: str, overriding: Source, overridden: Source, applied: Applied) -> bool:
    collision = _collision(overriding, overridden)
    if collision is None:
        return False
    where, directive = collision
    state.error(
        "OVERRIDE_COLLISION_WITH_ANOTHER_DIRECTIVE",
        f'@override can\'t be used on "{coordinate}" in "{overriding[0].name}": it is @{directive} in "{where.name}".',
        [(overriding[0], applied.node), (overridden[0], overridden[2].node)],
    )
    return True


def _collision(overriding: Source, overridden: Source) -> tuple[SubgraphSchema, str] | None:
    schema, type_, definition = overriding
    other, _, other_field = overridden
    if schema.is_external(type_, definition):
        return schema, "external"
    for directive in ("requires", "provides"):
        if other_field.has(directive):
            return other, directive
    return None
