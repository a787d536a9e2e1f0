"""A layout and the client's operation -> the source of `project(...)`: the response's data, written out as dictionary displays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from graphql import (
    FieldNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLUnionType,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)

from botberi_gateway.executor.compiled.joining import Joins
from botberi_gateway.executor.compiled.layout import KeyPath, Layer, Layout, layers_at_root
from botberi_gateway.executor.compiled.leaves import LeafChecks
from botberi_gateway.executor.compiled.source import Source
from botberi_gateway.executor.compiled.spending import count_fields, count_items
from botberi_gateway.executor.compiled.walking import TYPENAME, row_of
from botberi_gateway.executor.definitions import definition_of
from botberi_gateway.executor.selection import FieldGroups, Selections
from botberi_gateway.executor.unknown import Typed

#: Writes what is done with an expression.
Deliver: TypeAlias = Callable[[str], None]
#: CPython takes twenty blocks in one another.
MOST_LOOPS: Final = 12


@dataclass(frozen=True, slots=True)
class Shape:
    """What makes two object types the same to a selection."""

    fields: tuple[tuple[str, str, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class Target:
    """What is projected below a field."""

    base: list[Layer]
    position: KeyPath
    kind: GraphQLNamedType
    sets: Any


class Project:
    """Writes one function for each position of the response and each way in which types select there."""

    #: What is done with an object that is called `n`, a type that its field can't have.
    _impossible = "raise BailOut('a type that the field can not have')"
    #: What `project` takes beside the flight and the state; what each function takes beside the object's layers.
    helpers: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()

    def __init__(self, source: Source, layout: Layout, selections: Selections, state: Sequence[str]) -> None:
        self._source = source
        self._layout = layout
        self._schema = layout.schema
        self._selections = selections
        self._typed = Typed(selections)
        self._state = state
        self._joins = Joins(source, layout)
        self._leaves = LeafChecks(source)
        self._objects = source.constant("OBJECTS", layout.names.objects)
        self._abstract_names = layout.names.abstract
        self._abstract = source.constant("ABSTRACT", self._abstract_names)
        #: (position, layers, selection sets, type) -> its function.
        self._functions: dict[Any, str] = {}
        #: The functions' lines.
        self._written: list[str] = []
        #: Dictionaries of what is projected once for each entity.
        self._memories: list[str] = []
        #: Loops around the place that is being written; CPython has a limit.
        self._loops = 0
        self._in_abstract = False

    def write(self, root_type: GraphQLObjectType, root: SelectionSetNode) -> None:
        """`project(x, …)` takes what the fetches left behind, and gives the data.

        Raises `BailOut` and others of `ODD`.
        """
        source = self._source
        with source.block(f"def project({', '.join(['x', *self.helpers, *self._state])}):"):
            top = len(source.lines)
            source.line("spending = x.spending")
            self._begin()
            base = layers_at_root(self._layout)
            groups = self._selections.fields([root], root_type)
            self._fields(base, (), root_type, groups, repr(root_type.name), returned(source), root=True)
            source.lines[top:top] = [*(f"    {name} = {{}}" for name in self._memories), *self._written]

    def _begin(self) -> None:
        """Written before anything else."""

    def _enter(self) -> None:
        """Written at the beginning of each function."""

    # -- objects

    def _function(self, base: list[Layer], position: KeyPath, kind: GraphQLNamedType, sets: Any) -> str:
        """The function that projects objects of a declared type here; it takes the object's layers."""
        mark = (position, tuple((layer.fetch, id(layer.keys)) for layer in base), self._mark(sets), kind.name)
        name = self._functions.get(mark)
        if name is None:
            name = self._functions[mark] = self._source.name("object")
            arguments = [Layer(layer.fetch, layer.keys, self._source.name("o")) for layer in base]
            before, self._loops, self._in_abstract = (self._loops, self._in_abstract), 0, False
            with (
                self._source.aside(depth=1) as lines,
                self._source.block(
                    f"def {name}({', '.join([*(layer.var for layer in arguments), *self.parameters])}):"
                ),
            ):
                self._enter()
                if is_abstract_type(kind):
                    self._in_abstract = True
                    self._abstract_object(arguments, position, kind, sets)
                else:
                    groups = self._groups(sets, kind)
                    self._object(arguments, position, kind, groups, returned(self._source))
            self._loops, self._in_abstract = before
            self._written += lines
        return name

    def _object(
        self,
        base: list[Layer],
        position: KeyPath,
        kind: GraphQLNamedType,
        groups: FieldGroups,
        deliver: Deliver,
    ) -> None:
        """An object of a declared type; `deliver` writes what is done with the expression of its value."""
        source = self._source
        layers, tables = self._joins.attached(base, position, {TYPENAME, *groups}, kind)
        primary = self._joins.memo(base, layers, tables, groups)
        if primary is not None:
            memory, remembered = source.name("memory"), source.name("v")
            self._memories.append(memory)
            row = self._joins.key(primary[0], base[0]) if primary[0].by_key is not None else primary[2]
            if primary[0].by_key is None:
                source.line(f"{row} = {row_of(primary[0], base)}")
            # Objects that gave no representation have no row, and are no one another's equals.
            source.line(f"{remembered} = None if {row} is None else {memory}.get({row})")
            with source.block(f"if {remembered} is None:"):
                self._joins.attach(
                    tables, base, groups, layers, set() if primary[0].by_key is not None else {id(primary[0])}
                )
                self._joins.check_typename(layers, kind, self._impossible)

                def remember(display: str) -> None:
                    source.line(f"{remembered} = {memory}[{row}] = {display}")

                self._fields(layers, position, kind, groups, repr(kind.name), remember)
            deliver(remembered)
            return
        self._joins.attach(tables, base, groups, layers)
        self._joins.check_typename(layers, kind, self._impossible)
        self._fields(layers, position, kind, groups, repr(kind.name), deliver)

    def _fields(
        self,
        layers: list[Layer],
        position: KeyPath,
        kind: GraphQLNamedType,
        groups: FieldGroups,
        typename: str,
        deliver: Deliver,
        root: bool = False,
    ) -> None:
        """The fields of an object of one runtime type, whose name is the expression `typename`."""
        parts = []
        for key, nodes in groups.items():
            below = [node.selection_set for node in nodes if node.selection_set is not None]
            value = self._field(layers, position, kind, key, nodes, below, typename, root)
            parts.append(f"{key!r}: {value}")
        deliver("{" + ", ".join(parts) + "}")

    def _abstract_object(self, base: list[Layer], position: KeyPath, kind: GraphQLNamedType, sets: Any) -> None:
        """By the object's name to what its type selects; types that select alike share code."""
        source = self._source
        possible = list(self._schema.get_possible_types(cast(GraphQLInterfaceType | GraphQLUnionType, kind)))
        choices: list[GraphQLNamedType] = [*possible]
        if isinstance(kind, GraphQLInterfaceType):
            choices.append(kind)
        shapes: dict[Shape, tuple[GraphQLNamedType, FieldGroups, list[str]]] = {}
        wanted = {TYPENAME}
        for choice in choices:
            groups = self._groups(sets, choice)
            wanted |= set(groups)
            shape = self._shape(choice, groups)
            if choice is kind:
                shape = Shape((("", kind.name, ()), *shape.fields))
            shapes.setdefault(shape, (choice, groups, []))[2].append(choice.name)
        layers, tables = self._joins.attached(base, position, wanted, kind)
        self._joins.attach(tables, base, {}, layers)
        named = [layer for layer in layers if TYPENAME in layer.keys]
        if not named:
            source.line("n = None")
        elif len(named) == 1:
            source.line(f"n = {named[0].var}.get('__typename')")
        else:
            names = ", ".join(f"{layer.var}.get('__typename')" for layer in named)
            source.line(f"n = name_of({self._objects}, {self._abstract}, {names})")
        matters = self._matters(sets, kind)
        number_of: dict[str | None, int] = {}
        for number, (choice, _, names_alike) in enumerate(shapes.values()):
            if choice is kind and matters:
                continue  # an error, which the interpreter tells
            number_of.update((name, number) for name in names_alike)
            # Nothing more is known than the interface, and no answer depends on it; or there is but one type that it
            # can be.
            if (choice is kind and not matters) or (not isinstance(kind, GraphQLInterfaceType) and len(possible) == 1):
                number_of.update((name, number) for name in (None, *self._abstract_names))
        source.line(f"c = {source.constant('SHAPES', number_of)}.get(n)")
        for number, (choice, groups, _) in enumerate(shapes.values()):
            if choice is kind and matters:
                continue
            with source.block(f"if c == {number}:"):
                typename = "n" if is_object_type(choice) and len(number_of) > 1 else repr(choice.name)
                if not isinstance(kind, GraphQLInterfaceType) and len(possible) == 1:
                    typename = repr(choice.name)
                self._fields(layers, position, choice, groups, typename, returned(source))
        self._no_type(kind, matters)

    def _no_type(self, kind: GraphQLNamedType, matters: bool) -> None:
        """What is done with an object of none of the types, or of none that is known."""
        self._source.line(self._impossible)

    # -- selections

    def _mark(self, sets: Any) -> Any:
        """What tells merged fields' selection sets from others."""
        return tuple(map(id, sets))

    def _groups(self, sets: Any, kind: GraphQLNamedType) -> FieldGroups:
        return self._selections.fields(sets, kind)

    def _matters(self, sets: Any, kind: GraphQLNamedType) -> bool:
        return self._typed.matters(sets, kind)

    def _shape(self, kind: GraphQLNamedType, groups: FieldGroups) -> Shape:
        return Shape(
            tuple((key, self._type_text(kind, nodes[0]), tuple(map(id, nodes))) for key, nodes in groups.items())
        )

    def _type_text(self, kind: GraphQLNamedType, node: FieldNode) -> str:
        definition = definition_of(self._schema, kind, node.name.value)
        return "" if definition is None else str(definition.type)

    # -- fields

    def _field(
        self,
        layers: list[Layer],
        position: KeyPath,
        kind: GraphQLNamedType,
        key: str,
        nodes: list[FieldNode],
        sets: Any,
        typename: str,
        root: bool,
    ) -> str:
        """Writes what the field needs, and gives the expression of its value."""
        source = self._source
        name = nodes[0].name.value
        if name == TYPENAME:
            if not is_object_type(kind):
                source.line("raise BailOut('a type that is not known')")
            return typename
        if name in ("__schema", "__type") and root:
            return f"x.introspect({key!r}, {source.constant('NODES', nodes)})"
        definition = definition_of(self._schema, kind, name)
        if definition is None:
            source.line("raise BailOut('a field that the type of the object has not')")
            return "None"
        value = source.name("v")
        offering = [layer for layer in layers if key in layer.keys]
        declared = definition.type
        if not offering and self._is_withheld(position, kind, key):
            return self._withheld(key, layers)
        if is_leaf_type(get_named_type(declared)):
            self._read(value, key, layers, offering)
            self._leaves.complete(declared, value)
            return value
        if not offering:
            self._missing(value, layers)
            if is_non_null_type(declared):
                source.line(f"no_null({value})")
            return value
        below = [Layer(layer.fetch, layer.keys.below[key], layer.var) for layer in offering]
        target = Target(below, (*position, key), get_named_type(declared), sets)
        if len(offering) == 1:
            source.line(f"{value} = {offering[0].var}[{key!r}]")
            self._composite(declared, value, target)
        else:
            values = [source.name("v") for _ in offering]
            for var, layer in zip(values, offering, strict=True):
                source.line(f"{var} = {layer.var}.get({key!r}, M)")
            with source.block(f"if {' is '.join(values)} is M:"):
                source.line(f"missing({', '.join(layer.var for layer in layers)})")
            function = self._function(target.base, target.position, target.kind, target.sets)
            self._composites(declared, values, value, function, target.sets)
        return value

    def _is_withheld(self, position: KeyPath, kind: GraphQLNamedType, key: str) -> bool:
        """Whether no subgraph is asked for the field on purpose."""
        withheld = self._layout.withheld
        return withheld is not None and withheld.always(position, kind.name, key)

    def _withheld(self, key: str, layers: list[Layer]) -> str:
        with self._source.block(f"if {' or '.join(f'{key!r} in {layer.var}' for layer in layers)}:"):
            self._source.line("raise BailOut('a field that was not asked for')")
        return "None"

    def _read(self, value: str, key: str, layers: list[Layer], offering: list[Layer]) -> None:
        """The leaf at a key, from those of the layers that offer it."""
        if not offering:
            self._missing(value, layers)
        elif len(offering) == 1:
            self._source.line(f"{value} = {offering[0].var}[{key!r}]")
        else:
            self._source.line(f"{value} = read({key!r}, {', '.join(layer.var for layer in offering)})")

    def _missing(self, value: str, layers: list[Layer]) -> None:
        source = self._source
        source.line(f"{value} = missing({', '.join(layer.var for layer in layers)})")

    # -- values of one layer

    def _composite(self, kind: GraphQLOutputType, value: str, target: Target) -> None:
        """An object, or lists of objects, of one layer."""
        source = self._source
        non_null = is_non_null_type(kind)
        inner = kind.of_type if is_non_null_type(kind) else kind
        if not is_list_type(inner):
            with source.block(f"if {value}.__class__ is dict:"):

                def assign(display: str) -> None:
                    source.line(f"{value} = {display}")

                self._one(value, target, assign)
            self._leaves.otherwise(value, non_null)
            return
        item_kind = inner.of_type
        with source.block(f"if {value}.__class__ is list:"):
            self._count_items(value, target.sets)
            items, item = source.name("l"), source.name("y")
            source.line(f"{items} = []")
            self._loops += 1
            with source.block(f"for {item} in {value}:"):
                named = item_kind.of_type if is_non_null_type(item_kind) else item_kind
                if is_list_type(named):
                    self._composite(item_kind, item, target)
                    source.line(f"{items}.append({item})")
                else:
                    with source.block(f"if {item}.__class__ is not dict:"):
                        source.line(
                            f"{items}.append({'refuse' if is_non_null_type(item_kind) else 'null_item'}({item}))"
                        )
                        source.line("continue")

                    def append(display: str) -> None:
                        source.line(f"{items}.append({display})")

                    self._one(item, target, append)
            self._loops -= 1
            source.line(f"{value} = {items}")
        self._leaves.otherwise(value, non_null)

    def _one(self, value: str, target: Target, deliver: Deliver) -> None:
        """The object in the variable `value`: written out here where that is possible, else by a call."""
        if is_abstract_type(target.kind) or self._in_abstract or self._loops >= MOST_LOOPS:
            deliver(f"{self._function(target.base, target.position, target.kind, target.sets)}({value})")
            return
        (layer,) = target.base
        base = [Layer(layer.fetch, layer.keys, value)]
        groups = self._selections.fields(target.sets, target.kind)
        self._object(base, target.position, target.kind, groups, deliver)

    def _count_items(self, items: str, sets: Any) -> None:
        count_items(self._source, items, count_fields(sets, self._selections))

    # -- values of several layers

    def _composites(self, kind: GraphQLOutputType, values: list[str], into: str, function: str, sets: Any) -> None:
        source = self._source
        non_null = is_non_null_type(kind)
        inner = kind.of_type if is_non_null_type(kind) else kind
        if not is_list_type(inner):
            source.line(f"{into} = strict_objects({', '.join(values)})")
            with source.block(f"if {into} is not None:"):
                source.line(f"{into} = {function}(*{into})")
            if non_null:
                with source.block("else:"):
                    source.line(f"refuse({into})")
            return
        source.line(f"{into} = strict_rows({', '.join(values)})")
        with source.block(f"if {into} is not None:"):
            self._count_items(into, sets)
            items, item = source.name("l"), source.name("y")
            parts = [source.name("y") for _ in values]
            source.line(f"{items} = []")
            with source.block(f"for {', '.join(parts)} in {into}:"):
                self._composites(inner.of_type, parts, item, function, sets)
                source.line(f"{items}.append({item})")
            source.line(f"{into} = {items}")
        if non_null:
            with source.block("else:"):
                source.line(f"refuse({into})")


def returned(source: Source) -> Deliver:
    def give(display: str) -> None:
        source.line(f"return {display}")

    return give
