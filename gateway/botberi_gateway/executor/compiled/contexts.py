"""Contextual arguments of entities (`@fromContext`) -> source that reads their values in the objects above."""

from collections.abc import Iterator, Mapping, Sequence

from botberi_gateway.executor.compiled.layout import KeyPath, Layer, top_sources
from botberi_gateway.executor.compiled.walking import TYPENAME, Reach, value_of
from botberi_gateway.plan import ContextSource, ContextValue, KeyField, KeySelection


class Contexts:
    """For one fetch."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def read(self, context: ContextValue, at: Mapping[KeyPath, list[Layer]], position: KeyPath) -> str:
        """Writes what reads one value for the object at the position, from the first source that fits.

        Returns the variable, which holds MISSING where none does.

        `at` are the layers of the objects on the way.
        """
        value = self._reach.source.name("context")
        self._first(list(_inside(context, position)), at, position, value)
        return value

    def _first(
        self, sources: Sequence[ContextSource], at: Mapping[KeyPath, list[Layer]], position: KeyPath, into: str
    ) -> None:
        source = self._reach.source
        if not sources:
            source.line(f"{into} = MISSING")
            return
        one, *others = sources
        place = position[: len(position) - one.up]
        layers = self._reach.attach(at[place], place, {TYPENAME} | set(top_sources(one)))
        name = self._name(layers)
        if one.types is None:
            self._select(one.selections, layers, place, name, into)
            return
        names = source.constant("NAMES", self._reach.layout.names.fitting(one.types))
        with source.block(f"if {name} in {names}:"):
            self._select(one.selections, layers, place, name, into)
        with source.block("else:"):
            self._first(others, at, position, into)

    def _select(
        self, selections: Sequence[KeySelection], layers: list[Layer], place: KeyPath, name: str, into: str
    ) -> None:
        """One field, by the object's type where fragments say so."""
        source = self._reach.source
        if not selections:
            source.line(f"{into} = MISSING")
            return
        one, *others = selections
        if isinstance(one, KeyField):
            if one.selections:
                self._below(one, layers, place, into)
            else:
                source.line(f"{into} = {value_of(layers, one.source)}")
            return
        names = source.constant("NAMES", self._reach.layout.names.fitting(one.types))
        with source.block(f"if {name} in {names}:"):
            self._select(one.selections, layers, place, name, into)
        with source.block("else:"):
            self._select(others, layers, place, name, into)

    def _below(self, field: KeyField, layers: list[Layer], place: KeyPath, into: str) -> None:
        def body(inner: list[Layer], below: KeyPath) -> None:
            self._select(field.selections, inner, below, self._name(inner), "value")

        self._reach.nested(field, layers, place, into, body)

    def _name(self, layers: list[Layer]) -> str:
        named = [layer for layer in layers if TYPENAME in layer.keys]
        if not named:
            return "None"
        name = self._reach.source.name("type_name")
        self._reach.source.line(f"{name} = {self._reach.name(named)}")
        return name


def furthest(contexts: Sequence[ContextValue], position: KeyPath) -> int:
    """How many objects above the entity are looked into at most."""
    return max((one.up for context in contexts for one in _inside(context, position)), default=0)


def _inside(context: ContextValue, position: KeyPath) -> Iterator[ContextSource]:
    """Those that aren't above the root."""
    return (one for one in context.sources if one.up <= len(position))
