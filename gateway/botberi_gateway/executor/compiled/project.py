"""The response as data -> the source of `project(...)`, which makes dictionary displays and reads without looking.

What answers have otherwise than expected makes it bail out: `careful` goes over the same answers.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from graphql import GraphQLOutputType, is_list_type, is_non_null_type, is_object_type

from botberi_gateway.executor.compiled.joining import Joins, Variables
from botberi_gateway.executor.compiled.layout import Layout, root_name
from botberi_gateway.executor.compiled.leaves import LeafChecks
from botberi_gateway.executor.compiled.response import (
    Abstract,
    Child,
    Fields,
    Introspected,
    Leaf,
    Object,
    Target,
    Typename,
    UnknownField,
    WithheldField,
)
from botberi_gateway.executor.compiled.source import Source
from botberi_gateway.executor.compiled.spending import count_items
from botberi_gateway.executor.compiled.walking import row_of

#: Writes what is done with an expression.
Deliver: TypeAlias = Callable[[str], None]
#: CPython takes twenty blocks in one another.
MAX_LOOPS: Final = 12


class Writer:
    """What all writers of the response share: one function for each object that isn't written out where it is met."""

    #: What `project` takes beside the flight and the state; what each function takes beside the object's parts.
    helpers: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    #: What is done with an object that is called `n`, a type that its field can't have.
    impossible = "raise BailOut('a type that the field can not have')"

    def __init__(self, source: Source, layout: Layout) -> None:
        self._source = source
        self._state = layout.state()
        self._joins = Joins(source, layout)
        self._leaves = LeafChecks(source)
        self._functions: dict[Target, str] = {}
        #: The functions' lines.
        self._written: list[str] = []

    def _head(self) -> str:
        return f"def project({', '.join(['flight', *self.helpers, *self._state])}):"

    def _function(self, target: Target) -> str:
        """The function for an object; it takes the object's parts."""
        name = self._functions.get(target)
        if name is None:
            name = self._functions[target] = self._source.name("object")
            base = [self._source.name("part") for _ in target.base]
            with (
                self._source.aside(depth=1) as lines,
                self._source.block(f"def {name}({', '.join([*base, *self.parameters])}):  # {_place(target)}"),
            ):
                self._body(target, base)
            self._written += lines
        return name

    def _body(self, target: Target, base: Sequence[str]) -> None:
        """Of a function."""
        raise NotImplementedError

    def _fields(self, target: Target, fields: Fields, variables: Variables, typename: str, deliver: Deliver) -> None:
        """The fields of an object of one runtime type, whose name is the expression `typename`."""
        raise NotImplementedError

    def _choices(self, target: Abstract, base: Sequence[str]) -> None:
        """By the object's name to what its type selects."""
        source = self._source
        variables = self._joins.variables(target, base)
        self._joins.look_up(variables)
        if not self._joins.name(variables):
            source.line("type_name = None")
        numbers = {name: number for number, choice in enumerate(target.choices) for name in choice.names}
        source.line(f"choice = {source.constant('SHAPES', numbers)}.get(type_name)")
        for number, choice in enumerate(target.choices):
            with source.block(f"if choice == {number}:"):
                typename = "type_name" if choice.by_name else repr(choice.fields.kind.name)
                self._fields(target, choice.fields, variables, typename, returned(source))

    def _simple(self, fields: Fields, member: Typename | Introspected | UnknownField, typename: str) -> str:
        """Members that no answer has: writes what they need, and gives the expression of their value."""
        source = self._source
        if isinstance(member, Introspected):
            return f"flight.introspect({member.key!r}, {source.constant('NODES', member.nodes)})"
        if isinstance(member, Typename):
            if not is_object_type(fields.kind):
                source.line("raise BailOut('a type that is not known')")
            return typename
        source.line("raise BailOut('a field that the type of the object has not')")
        return "None"

    def _withheld(self, member: WithheldField, variables: Variables) -> str:
        parts = variables.parts.values()
        with self._source.block(f"if {' or '.join(f'{member.key!r} in {part}' for part in parts)}:"):
            self._source.line("raise BailOut('a field that was not asked for')")
        return "None"


class Project(Writer):
    """Writes objects out where they are met; a function for those of an abstract type, and where loops are too deep."""

    def __init__(self, source: Source, layout: Layout) -> None:
        super().__init__(source, layout)
        #: Dictionaries of what is projected once for each entity.
        self._memories: list[str] = []
        #: Loops around the place that is being written; CPython has a limit.
        self._loops = 0
        self._in_abstract = False

    def write(self, root: Object) -> None:
        """`project(flight, …)` takes what the fetches left behind, and gives the data.

        Raises `BailOut` and others of `ODD`.
        """
        source = self._source
        with source.block(self._head()):
            top = len(source.lines)
            source.line("spending = flight.spending")
            variables = self._joins.variables(root, [root_name(origin.fetch) for origin in root.base])
            self._fields(root, root.fields, variables, repr(root.kind.name), returned(source))
            source.lines[top:top] = [*(f"    {name} = {{}}" for name in self._memories), *self._written]

    # -- objects

    def _body(self, target: Target, base: Sequence[str]) -> None:
        before, self._loops, self._in_abstract = (self._loops, self._in_abstract), 0, isinstance(target, Abstract)
        if isinstance(target, Abstract):
            self._choices(target, base)
            self._source.line(self.impossible)
        else:
            self._object(target, base, returned(self._source))
        self._loops, self._in_abstract = before

    def _object(self, target: Object, base: Sequence[str], deliver: Deliver) -> None:
        """An object of a declared type; `deliver` writes what is done with the expression of its value."""
        source, typename = self._source, repr(target.kind.name)
        variables = self._joins.variables(target, base)
        once = target.once_per
        if once is None or once.table is None:
            self._joins.look_up(variables)
            self._joins.check_name(variables, target.kind, self.impossible)
            self._fields(target, target.fields, variables, typename, deliver)
            return
        memory, remembered = source.name("memory"), source.name("shared")
        self._memories.append(memory)
        by_key = once.table.by_key is not None
        row = self._joins.key(once.table, variables) if by_key else variables.rows[once]
        if not by_key:
            source.line(f"{row} = {row_of(once.table, base)}")
        # Objects that gave no representation have no row, and are no one another's equals.
        source.line(f"{remembered} = None if {row} is None else {memory}.get({row})")
        with source.block(f"if {remembered} is None:"):
            self._joins.look_up(variables, () if by_key else (once,))
            self._joins.check_name(variables, target.kind, self.impossible)

            def remember(display: str) -> None:
                source.line(f"{remembered} = {memory}[{row}] = {display}")

            self._fields(target, target.fields, variables, typename, remember)
        deliver(remembered)

    def _fields(self, target: Target, fields: Fields, variables: Variables, typename: str, deliver: Deliver) -> None:
        parts = []
        for member in fields.members:
            if isinstance(member, Leaf | Child):
                value = self._field(member, variables)
            elif isinstance(member, WithheldField):
                value = self._withheld(member, variables)
            else:
                value = self._simple(fields, member, typename)
            parts.append(f"{member.key!r}: {value}")
        deliver("{" + ", ".join(parts) + "}")

    # -- fields

    def _field(self, member: Leaf | Child, variables: Variables) -> str:
        """Writes what the field needs, and gives the variable of its value."""
        source, key = self._source, member.key
        value = source.name(f"v_{key}_")
        offering = [variables.parts[origin] for origin in member.sources]
        if not offering:
            source.line(f"{value} = missing({', '.join(variables.parts.values())})")
        if isinstance(member, Leaf):
            if len(offering) == 1:
                source.line(f"{value} = {offering[0]}[{key!r}]")
            elif offering:
                source.line(f"{value} = read({key!r}, {', '.join(offering)})")
            self._leaves.complete(member.declared, value)
        elif not offering:
            if is_non_null_type(member.declared):
                source.line(f"no_null({value})")
        elif len(offering) == 1:
            source.line(f"{value} = {offering[0]}[{key!r}]")
            self._composite(member, member.declared, value)
        else:
            values = [source.name(f"v_{key}_") for _ in offering]
            for var, part in zip(values, offering, strict=True):
                source.line(f"{var} = {part}.get({key!r}, MISSING)")
            with source.block(f"if {' is '.join(values)} is MISSING:"):
                source.line(f"missing({', '.join(variables.parts.values())})")
            assert member.target is not None
            self._composites(member, member.declared, values, value, self._function(member.target))
        return value

    # -- values of one answer

    def _composite(self, member: Child, kind: GraphQLOutputType, value: str) -> None:
        """An object, or lists of objects, of one answer."""
        source = self._source
        non_null = is_non_null_type(kind)
        inner = kind.of_type if is_non_null_type(kind) else kind
        if not is_list_type(inner):
            with source.block(f"if {value}.__class__ is dict:"):

                def assign(display: str) -> None:
                    source.line(f"{value} = {display}")

                self._one(member, value, assign)
            self._leaves.otherwise(value, non_null)
            return
        item_kind = inner.of_type
        with source.block(f"if {value}.__class__ is list:"):
            count_items(source, value, member.fields)
            items, item = source.name("items"), source.name("item")
            source.line(f"{items} = []")
            self._loops += 1
            with source.block(f"for {item} in {value}:"):
                named = item_kind.of_type if is_non_null_type(item_kind) else item_kind
                if is_list_type(named):
                    self._composite(member, item_kind, item)
                    source.line(f"{items}.append({item})")
                else:
                    with source.block(f"if {item}.__class__ is not dict:"):
                        source.line(
                            f"{items}.append({'refuse' if is_non_null_type(item_kind) else 'null_item'}({item}))"
                        )
                        source.line("continue")

                    def append(display: str) -> None:
                        source.line(f"{items}.append({display})")

                    self._one(member, item, append)
            self._loops -= 1
            source.line(f"{value} = {items}")
        self._leaves.otherwise(value, non_null)

    def _one(self, member: Child, value: str, deliver: Deliver) -> None:
        """The object in the variable `value`: written out here where that is possible, else by a call."""
        target = member.target
        assert target is not None
        if isinstance(target, Abstract) or self._in_abstract or self._loops >= MAX_LOOPS:
            deliver(f"{self._function(target)}({value})")
        else:
            self._object(target, [value], deliver)

    # -- values of several answers

    def _composites(self, member: Child, kind: GraphQLOutputType, values: list[str], into: str, function: str) -> None:
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
            count_items(source, into, member.fields)
            items, item = source.name("items"), source.name("item")
            parts = [source.name("item") for _ in values]
            source.line(f"{items} = []")
            with source.block(f"for {', '.join(parts)} in {into}:"):
                self._composites(member, inner.of_type, parts, item, function)
                source.line(f"{items}.append({item})")
            source.line(f"{into} = {items}")
        if non_null:
            with source.block("else:"):
                source.line(f"refuse({into})")


def _place(target: Target) -> str:
    """A comment: what objects these are."""
    return f"{target.kind} at {'.'.join(target.position)}, by {', '.join(f'fetch {o.fetch}' for o in target.base)}"


def returned(source: Source) -> Deliver:
    """What is delivered is what the function gives."""

    def give(display: str) -> None:
        source.line(f"return {display}")

    return give
