"""Supergraph and tags -> the variant that some clients get: the rest of it is `@inaccessible`.

The rules are those of the reference's contracts. A tag of an object or interface is a tag of its fields, too. An
element with an excluded tag is hidden. With included tags, a field of an object or interface stays only if one of them
is on it or on its type, and such a type stays while a field of it stays; enum values, arguments and input fields stay
with their owner, unless they are excluded. Plans and joins are as before.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from graphql import (
    ConstDirectiveNode,
    DirectiveDefinitionNode,
    InputValueDefinitionNode,
    NameNode,
    StringValueNode,
    parse,
)

from botberi_gateway.composition.compose import Composition
from botberi_gateway.composition.composed_directives import ComposedDirectives
from botberi_gateway.composition.merge_state import MergeState
from botberi_gateway.composition.rules import inaccessible
from botberi_gateway.composition.subgraph import base_name
from botberi_gateway.federation.versions import INACCESSIBLE, TAG
from botberi_gateway.supergraph import EnumValue, InputField, Supergraph, SupergraphField, SupergraphType
from botberi_gateway.supergraph.api import directive_name, inaccessible_name

_MACHINERY: Final = (
    "directive @inaccessible on FIELD_DEFINITION | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION | SCALAR | ENUM"
    " | ENUM_VALUE | INPUT_OBJECT | INPUT_FIELD_DEFINITION\n"
    f'extend schema @link(url: "{INACCESSIBLE}/v0.2", for: SECURITY)'
)


def contract(
    supergraph: Supergraph,
    *,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    hide_unreachable: bool = False,
) -> Composition:
    """The variant, or errors where nothing would remain or what clients see would refer to what they don't.

    `hide_unreachable` also hides types that no operation can come by any more.
    """
    tag, hidden = directive_name(supergraph, TAG, "tag"), inaccessible_name(supergraph)
    rule = _Contract(frozenset(include), frozenset(exclude), tag, hidden)
    types = {name: rule.type(type_) for name, type_ in supergraph.types.items()}
    variant = rule.with_machinery(replace(supergraph, types=rule.settled(types, supergraph), document=None))
    if hide_unreachable:
        variant = replace(variant, types=rule.without_unreachable(variant))
    state = MergeState((), ComposedDirectives(names={"inaccessible": hidden}, used={"inaccessible"}))
    errors = tuple(inaccessible.check(variant, state))
    return Composition(None if errors else variant, errors, ())


@dataclass(frozen=True, slots=True)
class _Contract:
    include: frozenset[str]
    exclude: frozenset[str]
    #: What `@tag` and `@inaccessible` are called in this supergraph.
    tag: str
    hidden: str

    def is_hidden(self, directives: Iterable[ConstDirectiveNode]) -> bool:
        return any(d.name.value == self.hidden for d in directives)

    def hide(self, directives: tuple[ConstDirectiveNode, ...]) -> tuple[ConstDirectiveNode, ...]:
        mark = ConstDirectiveNode(name=NameNode(value=self.hidden), arguments=())
        return directives if self.is_hidden(directives) else (*directives, mark)

    def tags(self, directives: Iterable[ConstDirectiveNode]) -> frozenset[str]:
        return frozenset(
            argument.value.value
            for directive in directives
            if directive.name.value == self.tag
            for argument in directive.arguments or ()
            if argument.name.value == "name" and isinstance(argument.value, StringValueNode)
        )

    def type(self, type_: SupergraphType) -> SupergraphType:
        tags = self.tags(type_.directives)
        directives = self.hide(type_.directives) if tags & self.exclude else type_.directives
        return replace(
            type_,
            directives=directives,
            fields={name: self.field(f, tags) for name, f in type_.fields.items()},
            input_fields={n: InputField(f.name, self.input(f.node), f.joins) for n, f in type_.input_fields.items()},
            values={name: self.value(v) for name, v in type_.values.items()},
        )

    def field(self, field: SupergraphField, above: frozenset[str]) -> SupergraphField:
        tags = self.tags(field.directives) | above
        hide = bool(tags & self.exclude) or (bool(self.include) and not tags & self.include)
        return replace(
            field,
            directives=self.hide(field.directives) if hide else field.directives,
            arguments=tuple(self.input(a) for a in field.arguments),
        )

    def input(self, node: InputValueDefinitionNode) -> InputValueDefinitionNode:
        directives = tuple(node.directives or ())
        if not self.tags(directives) & self.exclude:
            return node
        return InputValueDefinitionNode(
            name=node.name,
            description=node.description,
            type=node.type,
            default_value=node.default_value,
            directives=self.hide(directives),
            loc=node.loc,
        )

    def value(self, value: EnumValue) -> EnumValue:
        hide = bool(self.tags(value.directives) & self.exclude)
        return replace(value, directives=self.hide(value.directives)) if hide else value

    def settled(self, types: dict[str, SupergraphType], supergraph: Supergraph) -> dict[str, SupergraphType]:
        """Hides the types that have nothing left, and the unions of which all members are hidden.

        The query root is left to the rules on `@inaccessible`.
        """
        for name, type_ in list(types.items()):
            if type_.kind in ("OBJECT", "INTERFACE") and name != supergraph.query:
                left = any(not self.is_hidden(f.directives) for f in type_.fields.values())
            elif type_.kind in ("ENUM", "INPUT_OBJECT"):
                left = any(not self.is_hidden(d) for d in _children(type_)) or not _children(type_)
            else:
                continue
            if not left:
                types[name] = replace(type_, directives=self.hide(type_.directives))
        for name, type_ in list(types.items()):
            if type_.kind == "UNION" and all(m in types and self.is_hidden(types[m].directives) for m in type_.members):
                types[name] = replace(type_, directives=self.hide(type_.directives))
        return types

    def with_machinery(self, supergraph: Supergraph) -> Supergraph:
        """The definition of `@inaccessible` and its link, where the supergraph had none."""
        if any(d.name.value == self.hidden for d in supergraph.directive_definitions):
            return supergraph
        definition, schema = parse(_MACHINERY, no_location=True).definitions
        assert isinstance(definition, DirectiveDefinitionNode)
        link: tuple[ConstDirectiveNode, ...] = schema.directives  # type: ignore[attr-defined]
        return replace(
            supergraph,
            directive_definitions=(*supergraph.directive_definitions, definition),
            schema_directives=(*supergraph.schema_directives, *link),
        )

    def without_unreachable(self, supergraph: Supergraph) -> dict[str, SupergraphType]:
        reached: set[str] = set()
        waiting = [n for n in (supergraph.query, supergraph.mutation, supergraph.subscription) if n]
        while waiting:
            name = waiting.pop()
            type_ = supergraph.types.get(name)
            if name in reached or type_ is None or self.is_hidden(type_.directives):
                continue
            reached.add(name)
            waiting += self.referred(type_)
            if type_.kind == "INTERFACE":
                waiting += [t.name for t in supergraph.types.values() if name in t.interfaces]
        for definition in supergraph.directive_definitions:
            reached |= {base_name(a.type) for a in definition.arguments or ()}
        return {
            name: type_ if name in reached else replace(type_, directives=self.hide(type_.directives))
            for name, type_ in supergraph.types.items()
        }

    def referred(self, type_: SupergraphType) -> Iterator[str]:
        yield from type_.members
        yield from type_.interfaces
        for field in type_.fields.values():
            if not self.is_hidden(field.directives):
                yield base_name(field.type)
                yield from (base_name(a.type) for a in field.arguments if not self.is_hidden(a.directives or ()))
        for entry in type_.input_fields.values():
            if not self.is_hidden(entry.node.directives or ()):
                yield base_name(entry.node.type)


def _children(type_: SupergraphType) -> list[Collection[ConstDirectiveNode]]:
    if type_.kind == "ENUM":
        return [v.directives for v in type_.values.values()]
    return [tuple(f.node.directives or ()) for f in type_.input_fields.values()]
