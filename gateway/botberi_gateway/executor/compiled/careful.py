"""The response as data -> the source of `project(...)` that knows paths, for answers in which something is missing.

Nulls propagate, what is lost has an error, deferred fields come later. Paths cost, so an operation without `@defer` has
this program only when it first meets such an answer.
"""

from collections.abc import Sequence
from typing import cast

from graphql import (
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLOutputType,
    is_list_type,
    is_non_null_type,
)

from botberi_gateway.executor.compiled.joining import Variables
from botberi_gateway.executor.compiled.layout import Layout, root_name
from botberi_gateway.executor.compiled.project import Deliver, Project, Writer, returned
from botberi_gateway.executor.compiled.response import (
    Blame,
    Child,
    Fields,
    Later,
    Leaf,
    Object,
    Target,
    WithheldField,
)
from botberi_gateway.executor.compiled.source import Source
from botberi_gateway.executor.compiled.spending import count_items


class Careful(Writer):
    """Writes a function for each object; it gives None where a null propagated up to the object.

    In the source `path` is the object's, `report` the `Report`, `errors` its `FieldErrors`, `mark` how many there were
    before the object; where fields are deferred, `fragments` are those that began at the object or above it, and
    `report` is a `Look`.
    """

    helpers = ("report", "errors")
    impossible = "return report.impossible(type_name)"

    def __init__(self, source: Source, layout: Layout, *, defers: bool = False) -> None:
        super().__init__(source, layout)
        self._defers = defers
        self.parameters = ("path", "fragments") if defers else ("path",)
        #: What calls pass on beside the path.
        self._passed = ", fragments" if defers else ""
        self._abstract = source.constant("ABSTRACT", layout.names.abstract)
        #: The functions of groups of deferred fields, by their numbers.
        self._laters: dict[int, str] = {}

    def write(self, root: Object) -> None:
        """`project(flight, report, errors, …)` gives the data.

        With deferred fields it gives the function of the first payload's data, and those of groups by their number.
        """
        source = self._source
        with source.block(self._head()):
            if not self._defers:
                top = len(source.lines)
                source.line("spending = flight.spending")
                source.line("path = ()")
                self._root(root)
                source.lines[top:top] = self._written
                return
            source.line("spending = flight.spending")
            top = len(source.lines)
            with source.block("def initial():"):
                source.line("fragments = {}")
                source.line("path = ()")
                self._root(root)
            source.lines[top:top] = self._written
            source.line(f"return initial, ({''.join(f'{name}, ' for name in self._laters.values())})")

    def _root(self, root: Object) -> None:
        self._count("mark")
        variables = self._joins.variables(root, [root_name(origin.fetch) for origin in root.base])
        self._fields(root, root.fields, variables, repr(root.kind.name), returned(self._source))

    # -- what may be lost again

    def _count(self, mark: str) -> None:
        """What is found from here on may be lost again."""
        self._source.line(f"{mark} = len(errors.entries)")
        if self._defers:
            self._source.line(f"{mark}_groups = len(report.groups)")

    def _lose(self, mark: str, place: str) -> None:
        """A null propagates to the place."""
        self._source.line(f"errors.lose({mark}, {place})")
        if self._defers:
            self._source.line(f"del report.groups[{mark}_groups:]")

    # -- objects

    def _body(self, target: Target, base: Sequence[str]) -> None:
        self._count("mark")
        if isinstance(target, Object):
            self._object(target, base)
            return
        self._choices(target, base)
        if isinstance(target.kind, GraphQLInterfaceType) and target.type_matters:
            with self._source.block(f"if type_name is None or type_name in {self._abstract}:"):
                self._source.line(f"return report.untyped(path, {target.kind.name!r})")
        self._source.line(self.impossible)

    def _object(self, target: Object, base: Sequence[str]) -> None:
        variables = self._joins.variables(target, base)
        self._joins.look_up(variables)
        self._joins.check_name(variables, target.kind, self.impossible)
        self._fields(target, target.fields, variables, repr(target.kind.name), returned(self._source))

    def _fields(self, target: Target, fields: Fields, variables: Variables, typename: str, deliver: Deliver) -> None:
        source = self._source
        if fields.is_undecided:
            source.line("raise BailOut('deferred fields of an object of unknown type')")
            return
        if fields.begun:
            source.line(f"fragments = report.begin(fragments, path, {source.constant('BEGUN', fields.begun)})")
        parts = []
        for member in fields.members:
            if isinstance(member, Leaf | Child):
                value = self._field(member, variables, typename)
            elif isinstance(member, WithheldField):
                value = self._withheld(member, variables)
            else:
                value = self._simple(fields, member, typename)
            parts.append(f"{member.key!r}: {value}")
        for later in fields.later:
            self._later(later)
            constant = source.constant("LATER", later)
            captured = "".join(f"{var}, " for var in variables.base) if target.position else ""
            source.line(f"report.defer(path, fragments, {constant}, ({captured}))")
        deliver("{" + ", ".join(parts) + "}")

    def _later(self, later: Later) -> None:
        """The function of a group of fields; it takes the parts that the object had."""
        target, number = later.target, later.number
        if target is None or number is None or number in self._laters:
            return
        name = self._laters[number] = self._source.name("later")
        base = [self._source.name("part") if target.position else root_name(o.fetch) for o in target.base]
        # That the object is of another type than it was: nothing above could report it.
        self.impossible = Project.impossible
        with (
            self._source.aside(depth=1) as lines,
            self._source.block(f"def {name}({', '.join([*(base if target.position else ()), *self.parameters])}):"),
        ):
            self._count("mark")
            if target.position:
                self._object(target, base)
            else:
                variables = self._joins.variables(target, base)
                self._fields(target, target.fields, variables, repr(target.kind.name), returned(self._source))
        self.impossible = Careful.impossible
        self._written += lines

    # -- fields

    def _field(self, member: Leaf | Child, variables: Variables, typename: str) -> str:
        """Writes what the field needs, and gives the variable of its value."""
        source, key, declared = self._source, member.key, member.declared
        nullable = declared.of_type if is_non_null_type(declared) else declared
        value, here, label = source.name(f"v_{key}_"), f"(*path, {key!r})", f"{typename} + {'.' + member.name!r}"
        offering = [variables.parts[origin] for origin in member.sources]
        lost = f"{value} = report.lost(path, {key!r}{self._blamed(member.blame, variables)})"
        if not offering:
            source.line(lost)
        elif isinstance(member, Leaf):
            if len(offering) == 1:
                source.line(f"{value} = {offering[0]}.get({key!r}, MISSING)")
            else:
                source.line(f"{value} = first({key!r}, {', '.join(offering)})")
            with source.block(f"if {value} is MISSING:"):
                source.line(lost)
            with source.block("else:"):
                self._check_leaves(nullable, value, here, label)
                source.line("pass")
        else:
            assert member.target is not None
            function = self._function(member.target)
            values = [value] if len(offering) == 1 else [source.name(f"v_{key}_") for _ in offering]
            for var, part in zip(values, offering, strict=True):
                source.line(f"{var} = {part}.get({key!r}, MISSING)")
            with source.block(f"if {' is '.join(values)} is MISSING:"):
                source.line(lost)
            with source.block("else:"):
                self._composites(member, nullable, values, value, function, here, label)
        if is_non_null_type(declared):
            with source.block(f"if {value} is None:"):
                source.line(f"errors.propagate({here}, {label})")
                self._lose("mark", "path")
                source.line("return None")
        return value

    def _blamed(self, blame: Blame | None, variables: Variables) -> str:
        """More arguments of `Report.lost`."""
        if blame is None:
            return ""
        only = f", {variables.parts[blame.only]}"
        if blame.base is None:
            return only
        return f"{only}, {variables.parts[blame.base]}, {self._source.constant('GIVER', blame.giver)}"

    def _check_leaves(self, kind: GraphQLOutputType, value: str, here: str, label: str) -> None:
        """Checks a nullable leaf, or lists of leaves; `here` is the expression of its path."""
        source = self._source
        if not is_list_type(kind):
            test = self._leaves.wrong(cast(GraphQLNamedType, kind), value, False)
            if test is not None:
                with source.block(f"if {test}:"):
                    source.line(f"{value} = report.leaf({source.constant('TYPE', kind)}, {value}, {here}, {label})")
            return
        item_kind = kind.of_type
        place, mark, items = source.name("place"), source.name("mark"), source.name("items")
        number, item = source.name("number"), source.name("item")
        with source.block(f"if {value}.__class__ is list:"):
            source.line(f"{place} = {here}")
            self._count(mark)
            source.line(f"{items} = []")
            with source.block(f"for {number}, {item} in enumerate({value}):"):
                nullable = item_kind.of_type if is_non_null_type(item_kind) else item_kind
                self._check_leaves(nullable, item, f"(*{place}, {number})", label)
                self._end_item(item_kind, item, items, f"(*{place}, {number})", mark, place, label)
            source.line(f"{value} = {items}")
        with source.block(f"elif {value} is not None:"):
            source.line(f"{value} = report.wrong('is not a list', {here}, {label})")

    def _end_object(self, value: str, here: str, label: str) -> None:
        """An object of a type that the field can't have is null, and an error."""
        source = self._source
        with source.block(f"if {value} is IMPOSSIBLE:"):
            source.line(f'{value} = report.wrong("is of a type that it can\'t have", {here}, {label})')

    def _end_item(
        self, kind: GraphQLOutputType, item: str, items: str, here: str, mark: str, place: str, label: str
    ) -> None:
        """Into the list with it; a null that may not be there makes the list null."""
        source = self._source
        if is_non_null_type(kind):
            with source.block(f"if {item} is None:"):
                source.line(f"errors.propagate({here}, {label})")
                self._lose(mark, place)
                source.line(f"{items} = None")
                source.line("break")
        source.line(f"{items}.append({item})")

    def _composites(
        self,
        member: Child,
        kind: GraphQLOutputType,
        values: list[str],
        into: str,
        function: str,
        here: str,
        label: str,
    ) -> None:
        """An object or lists of objects, nullable, with its parts in `values`; `here` is the expression of its path."""
        source = self._source
        if not is_list_type(kind):
            if len(values) == 1:
                with source.block(f"if {values[0]}.__class__ is dict:"):
                    source.line(f"{into} = {function}({values[0]}, {here}{self._passed})")
                    self._end_object(into, here, label)
                with source.block(f"elif {values[0]} is not None:"):
                    source.line(f"{into} = report.wrong('is not an object', {here}, {label})")
            else:
                source.line(f"{into} = strict_objects({', '.join(values)})")
                with source.block(f"if {into} is not None:"):
                    source.line(f"{into} = {function}(*{into}, {here}{self._passed})")
                    self._end_object(into, here, label)
            return
        item_kind = kind.of_type
        nullable = item_kind.of_type if is_non_null_type(item_kind) else item_kind
        listed, items, number, place = into, source.name("items"), source.name("number"), source.name("place")
        if len(values) == 1:
            listed = values[0]
            with source.block(f"if {listed}.__class__ is not list and {listed} is not None:"):
                source.line(f"{listed} = report.wrong('is not a list', {here}, {label})")
        else:
            source.line(f"{listed} = strict_rows({', '.join(values)})")
        with source.block(f"if {listed} is not None:"):
            mark = source.name("mark")
            count_items(source, listed, member.fields)
            source.line(f"{place} = {here}")
            self._count(mark)
            source.line(f"{items} = []")
            parts = [source.name("item") for _ in values]
            item = parts[0] if len(parts) == 1 else source.name("item")
            shown = parts[0] if len(parts) == 1 else f"({', '.join(parts)})"
            with source.block(f"for {number}, {shown} in enumerate({listed}):"):
                self._composites(member, nullable, parts, item, function, f"(*{place}, {number})", label)
                self._end_item(item_kind, item, items, f"(*{place}, {number})", mark, place, label)
            source.line(f"{into} = {items}")
