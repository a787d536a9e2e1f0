r"""SDL text -> document, as graphql-core's `parse` gives it, several times faster.

The grammar is read construct by construct with compiled expressions, not token by token. What they don't take (an
error, or a rare way to write something) is left to graphql-core as a whole, so there is one place that says what is a
syntax error. Nodes of names and of types of fields have no place of their own; tokens are not kept.
"""

import re
from bisect import bisect_right
from collections.abc import Callable
from functools import cached_property
from typing import Any

from graphql import (
    DirectiveLocation,
    DocumentNode,
    GraphQLError,
    Location,
    NameNode,
    Node,
    OperationType,
    Source,
    StringValueNode,
    TypeNode,
    parse,
    parse_type,
    parse_value,
)
from graphql.language import ast
from graphql.language.block_string import dedent_block_string_lines

_IGNORED = r"(?:[ \t\n\r,\ufeff]++|#[^\n\r]*+)*+"
_NAME = r"[_A-Za-z][_0-9A-Za-z]*+"
_TYPE = rf"\[*+{_NAME}[!\]]*+"
_STRING = r'"([^"\\\n\r]*+)"(?!")|"""(.*?)"""|("(?:[^"\\\n\r]|\\.)*+")'
_NUMBER = r"(-?(?:0|[1-9][0-9]*+)(\.[0-9]++)?([eE][+-]?[0-9]++)?)(?![_0-9A-Za-z.])"


def _matcher(pattern: str) -> Callable[[str, int], re.Match[str] | None]:
    return re.compile(_IGNORED + pattern, re.DOTALL).match


_word = _matcher(f"({_NAME})")
_colon_type = _matcher(f":{_IGNORED}({_TYPE})")
_member = _matcher(f"({_NAME}){_IGNORED}(?:(\\()|:{_IGNORED}({_TYPE}))")
_at = _matcher(f"(@){_IGNORED}({_NAME})(?:{_IGNORED}(\\())?")
_argument = _matcher(f"({_NAME}){_IGNORED}:")
_value = _matcher(rf"(?:{_STRING}|({_NAME})|{_NUMBER}|([\[{{]))")
_string = _matcher(f"(?:{_STRING})")
_mark = _matcher('([^"_A-Za-z])')
_end = _matcher(r"\Z")
_new_line = re.compile(r"\r\n|[\n\r]")
_surrogate = re.compile("[\ud800-\udfff]")

_new = object.__new__
_SCALARS: dict[str, tuple[type[Node], Any]] = {
    "true": (ast.BooleanValueNode, True),
    "false": (ast.BooleanValueNode, False),
}
_DEFINITIONS: dict[str, tuple[type[Node], type[Node]]] = {
    "scalar": (ast.ScalarTypeDefinitionNode, ast.ScalarTypeExtensionNode),
    "type": (ast.ObjectTypeDefinitionNode, ast.ObjectTypeExtensionNode),
    "interface": (ast.InterfaceTypeDefinitionNode, ast.InterfaceTypeExtensionNode),
    "union": (ast.UnionTypeDefinitionNode, ast.UnionTypeExtensionNode),
    "enum": (ast.EnumTypeDefinitionNode, ast.EnumTypeExtensionNode),
    "input": (ast.InputObjectTypeDefinitionNode, ast.InputObjectTypeExtensionNode),
}
#: Deeper values are graphql-core's to judge.
_MAX_DEPTH = 50


class SdlSource(Source):
    """A text that knows where its lines begin."""

    @cached_property
    def _lines(self) -> list[int]:
        return [0, *(match.end() for match in _new_line.finditer(self.body))]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, both counted from 1."""
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def skip_ignored(self, offset: int) -> int:
        """The next offset that is no white space, comma or comment."""
        match = _skipped(self.body, offset)
        return offset if match is None else match.end()


_skipped = _matcher("")


class Span(Location):
    """Where a node stands, without tokens."""

    __slots__ = ()

    def __init__(
        self, start: int, end: int, source: Source
    ) -> None:  # the tokens of the base class are never asked for
        self.start = start
        self.end = end
        self.source = source


class _UnsureError(Exception):
    """The text has something that these expressions don't match; graphql-core has to read it."""


def parse_sdl(source: Source) -> DocumentNode:
    """The document of the text. Raises the errors of `graphql.parse`."""
    if source.body.isascii() or not _surrogate.search(source.body):
        try:
            return _Parser(source).document()
        except _UnsureError:
            pass
    return parse(source)


def _make(kind: type[Node], values: dict[str, Any]) -> Any:
    """A node, made without the frozen dataclass's slow constructor; values that are None may be left out."""
    node = _new(kind)
    node.__dict__.update(values)
    return node


class _Parser:
    """Reads recursively: a method takes an offset and returns the node that stands there with the offset after it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.body = source.body
        self.names: dict[str, NameNode] = {}
        self.types: dict[str, TypeNode] = {}

    def document(self) -> DocumentNode:
        body, position = self.body, 0
        definitions = []
        while _end(body, position) is None:
            node, position = self.definition(position)
            definitions.append(node)
        if not definitions:
            raise _UnsureError
        return DocumentNode(definitions=tuple(definitions), loc=Span(0, len(body), self.source))

    # ---- parts ----

    def name(self, text: str) -> NameNode:
        node = self.names.get(text)
        if node is None:
            node = self.names[text] = NameNode(value=text)
        return node

    def reference(self, text: str) -> TypeNode:
        node = self.types.get(text)
        if node is None:
            try:
                node = self.types[text] = parse_type(text, no_location=True)
            except GraphQLError as error:
                raise _UnsureError from error
        return node

    def word(self, position: int) -> re.Match[str]:
        match = _word(self.body, position)
        if match is None:
            raise _UnsureError
        return match

    def named(self, position: int) -> tuple[Any, int]:
        match = self.word(position)
        end = match.end()
        values = {"name": self.name(match[1]), "loc": Span(match.start(1), end, self.source)}
        return _make(ast.NamedTypeNode, values), end

    def marked(self, position: int, mark: str) -> int | None:
        """The offset after the mark, None where another thing stands."""
        match = _mark(self.body, position)
        return match.end() if match is not None and match[1] == mark else None

    def description(self, position: int) -> tuple[StringValueNode | None, int]:
        match = _string(self.body, position)
        return (None, position) if match is None else (self.string(match), match.end())

    def string(self, match: re.Match[str]) -> StringValueNode:
        """The string node of the first three groups of a match."""
        plain, block, escaped = match[1], match[2], match[3]
        if plain is not None:
            start, value = match.start(1) - 1, plain
        elif block is not None:
            if block.endswith("\\"):
                raise _UnsureError
            start, value = match.start(2) - 3, "\n".join(dedent_block_string_lines(_new_line.split(block)))
        else:
            start, value = match.start(3), _unescaped(escaped)
        loc = Span(start, match.end(), self.source)
        node: StringValueNode = _make(
            StringValueNode, {"value": value, "block": plain is None and block is not None, "loc": loc}
        )
        return node

    def value(self, position: int, depth: int = 0) -> tuple[Any, int]:
        match = _value(self.body, position)
        if match is None or depth > _MAX_DEPTH:
            raise _UnsureError
        end, group = match.end(), match.lastindex
        assert group is not None
        if group <= 3:
            return self.string(match), end
        if group == 4:
            text = match[4]
            loc = Span(match.start(4), end, self.source)
            if text == "null":
                return _make(ast.NullValueNode, {"loc": loc}), end
            kind, value = _SCALARS.get(text, (ast.EnumValueNode, text))
            return _make(kind, {"value": value, "loc": loc}), end
        if match[5] is not None:
            whole = match[6] is None and match[7] is None
            kind = ast.IntValueNode if whole else ast.FloatValueNode
            return _make(kind, {"value": match[5], "loc": Span(match.start(5), end, self.source)}), end
        return self.items(match[8], match.start(8), end, depth)

    def items(self, opening: str, start: int, position: int, depth: int) -> tuple[Any, int]:
        """The node of a list or an object."""
        closing = "]" if opening == "[" else "}"
        nodes: list[Any] = []
        while (end := self.marked(position, closing)) is None:
            if opening == "[":
                node, position = self.value(position, depth + 1)
            else:
                node, position = self.argument(position, ast.ObjectFieldNode, depth + 1)
            nodes.append(node)
        loc = Span(start, end, self.source)
        if opening == "[":
            return _make(ast.ListValueNode, {"values": tuple(nodes), "loc": loc}), end
        return _make(ast.ObjectValueNode, {"fields": tuple(nodes), "loc": loc}), end

    def argument(self, position: int, kind: type[Node], depth: int = 0) -> tuple[Any, int]:
        match = _argument(self.body, position)
        if match is None:
            raise _UnsureError
        value, end = self.value(match.end(), depth)
        loc = Span(match.start(1), end, self.source)
        return _make(kind, {"name": self.name(match[1]), "value": value, "loc": loc}), end

    def directives(self, position: int, values: dict[str, Any]) -> int:
        """Puts the directives into `values`, if there are any."""
        match = _at(self.body, position)
        if match is None:
            return position
        nodes = []
        while match is not None:
            position = match.end()
            node: dict[str, Any] = {"name": self.name(match[2])}
            if match[3] is not None:
                arguments = []
                while (end := self.marked(position, ")")) is None:
                    argument, position = self.argument(position, ast.ArgumentNode)
                    arguments.append(argument)
                if not arguments:
                    raise _UnsureError
                node["arguments"] = tuple(arguments)
                position = end
            else:
                node["arguments"] = None
            node["loc"] = Span(match.start(1), position, self.source)
            nodes.append(_make(ast.DirectiveNode, node))
            match = _at(self.body, position)
        values["directives"] = tuple(nodes)
        return position

    # ---- members ----

    def members(self, position: int, closing: str, kind: type[Node]) -> tuple[tuple[Any, ...], int]:
        """Fields, input fields or arguments, after the opening mark."""
        body, nodes = self.body, []
        is_field = kind is ast.FieldDefinitionNode
        while True:
            head = _member(body, position)
            values: dict[str, Any] = {}
            if head is None:
                description, after = self.description(position)
                if description is None:
                    break
                values["description"] = description
                head = _member(body, after)
                if head is None:
                    raise _UnsureError
                start = description.loc.start  # type: ignore[union-attr]
            else:
                start = head.start(1)
            values["name"] = self.name(head[1])
            text, position = head[3], head.end()
            if text is None:
                if not is_field:
                    raise _UnsureError
                values["arguments"], position = self.members(position, ")", ast.InputValueDefinitionNode)
                typed = _colon_type(body, position)
                if typed is None:
                    raise _UnsureError
                text, position = typed[1], typed.end()
            values["type"] = self.reference(text)
            if not is_field and (after_mark := self.marked(position, "=")) is not None:
                values["default_value"], position = self.value(after_mark)
            position = self.directives(position, values)
            values["loc"] = Span(start, position, self.source)
            nodes.append(_make(kind, values))
        end = self.marked(position, closing)
        if end is None or not nodes:
            raise _UnsureError
        return tuple(nodes), end

    def enum_values(self, position: int) -> tuple[tuple[Any, ...], int]:
        nodes: list[Any] = []
        while (end := self.marked(position, "}")) is None:
            values: dict[str, Any] = {}
            description, position = self.description(position)
            word = self.word(position)
            if word[1] in ("true", "false", "null"):
                raise _UnsureError
            start = word.start(1)
            if description is not None:
                values["description"] = description
                start = description.loc.start  # type: ignore[union-attr]
            values["name"] = self.name(word[1])
            position = self.directives(word.end(), values)
            values["loc"] = Span(start, position, self.source)
            nodes.append(_make(ast.EnumValueDefinitionNode, values))
        if not nodes:
            raise _UnsureError
        return tuple(nodes), end

    def separated(self, position: int, mark: str) -> tuple[tuple[Any, ...], int]:
        """Named types between marks; one may stand before the first."""
        position = self.marked(position, mark) or position
        nodes = []
        after: int | None = position
        while after is not None:
            node, position = self.named(after)
            nodes.append(node)
            after = self.marked(position, mark)
        return tuple(nodes), position

    # ---- definitions ----

    def definition(self, position: int) -> tuple[Any, int]:
        description, position = self.description(position)
        word = self.word(position)
        start, keyword, position = word.start(1), word[1], word.end()
        values: dict[str, Any] = {}
        extension = keyword == "extend"
        if extension:
            if description is not None:
                raise _UnsureError
            word = self.word(position)
            keyword, position = word[1], word.end()
        elif description is not None:
            values["description"] = description
            start = description.loc.start  # type: ignore[union-attr]
        if keyword == "schema":
            kind, position = self.schema(position, values, extension=extension)
        elif keyword == "directive" and not extension:
            kind, position = ast.DirectiveDefinitionNode, self.directive(position, values)
        elif keyword in _DEFINITIONS:
            kind = _DEFINITIONS[keyword][extension]
            position = self.type_definition(keyword, position, values)
            if extension and len(values) == 1:
                raise _UnsureError
        else:
            raise _UnsureError
        values["loc"] = Span(start, position, self.source)
        return _make(kind, values), position

    def type_definition(self, keyword: str, position: int, values: dict[str, Any]) -> int:
        word = self.word(position)
        values["name"] = self.name(word[1])
        position = word.end()
        if keyword in ("type", "interface"):
            match = _word(self.body, position)
            if match is not None and match[1] == "implements":
                values["interfaces"], position = self.separated(match.end(), "&")
        position = self.directives(position, values)
        if keyword == "scalar":
            return position
        if keyword == "union":
            after = self.marked(position, "=")
            if after is not None:
                values["types"], position = self.separated(after, "|")
            return position
        after = self.marked(position, "{")
        if after is None:
            return position
        if keyword == "enum":
            values["values"], position = self.enum_values(after)
        else:
            kind = ast.InputValueDefinitionNode if keyword == "input" else ast.FieldDefinitionNode
            values["fields"], position = self.members(after, "}", kind)
        return position

    def schema(self, position: int, values: dict[str, Any], *, extension: bool) -> tuple[type[Node], int]:
        position = self.directives(position, values)
        after = self.marked(position, "{")
        if after is not None:
            position = after
            roots: list[Any] = []
            while (end := self.marked(position, "}")) is None:
                match = _argument(self.body, position)
                if match is None or match[1] not in ("query", "mutation", "subscription"):
                    raise _UnsureError
                type_, position = self.named(match.end())
                loc = Span(match.start(1), position, self.source)
                operation = OperationType(match[1])
                root = {"operation": operation, "type": type_, "loc": loc}
                roots.append(_make(ast.OperationTypeDefinitionNode, root))
            if not roots:
                raise _UnsureError
            values["operation_types"], position = tuple(roots), end
        elif not extension or not values:
            raise _UnsureError
        return (ast.SchemaExtensionNode if extension else ast.SchemaDefinitionNode), position

    def directive(self, position: int, values: dict[str, Any]) -> int:
        match = _at(self.body, position)
        if match is None:
            raise _UnsureError
        values["name"] = self.name(match[2])
        position = match.end()
        if match[3] is not None:
            values["arguments"], position = self.members(position, ")", ast.InputValueDefinitionNode)
        position = self.directives(position, values)
        word = self.word(position)
        values["repeatable"] = word[1] == "repeatable"
        if word[1] == "repeatable":
            word = self.word(word.end())
        if word[1] != "on":
            raise _UnsureError
        position = word.end()
        locations = []
        after: int | None = self.marked(position, "|") or position
        while after is not None:
            word = self.word(after)
            if word[1] not in DirectiveLocation.__members__:
                raise _UnsureError
            locations.append(self.name(word[1]))
            position = word.end()
            after = self.marked(position, "|")
        values["locations"] = tuple(locations)
        return position


def _unescaped(text: str) -> str:
    try:
        node = parse_value(text, no_location=True)
    except GraphQLError as error:
        raise _UnsureError from error
    assert isinstance(node, StringValueNode)
    return node.value
