"""The text of a fetch's operation -> what it selects, read quickly: for each new operation all its fetches are, and a parser's nodes would cost a third of compiling.

It reads what the planner prints (any executable document is fine) and relies on it: a plan that is written by hand has
to hold valid operations.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from botberi_gateway.executor.compiled.source import Unsupported

#: Block strings, strings, comments, `...`, names, and everything else sign by sign: numbers only stand within
#: arguments.
_TOKEN: Final = re.compile(
    r'"""(?:[^"\\]|\\"""|\\|"(?!""))*"""|"(?:[^"\\]|\\.)*"|\#[^\n\r]*|\.\.\.|[A-Za-z_][A-Za-z_0-9]*|[^\s,\ufeff]'
)


@dataclass(frozen=True, slots=True)
class Selected:
    """A field (`key` is its response key), or a fragment, which has no name; `below` is None for leaves."""

    name: str
    key: str
    below: "Sequence[Selected] | None"
    #: Of a fragment, where it has one.
    type_name: str | None = None
    #: `@include` and `@skip`: (a variable or what is said outright, what it must be).
    conditions: tuple[tuple[str | bool, bool], ...] = ()

    def is_included(self, conditions: Mapping[str, bool]) -> bool:
        """A variable that is no condition of the program counts as false, as an absent one does."""
        return all(
            (given if isinstance(given, bool) else conditions.get(given, False)) is wanted
            for given, wanted in self.conditions
        )


def selected(operation: str) -> tuple[str, Sequence[Selected]]:
    """The kind of the operation and its selections. Raises `Unsupported` for what is no executable document."""
    try:
        return _Reader(operation).document()
    except (IndexError, RecursionError):
        raise Unsupported("a fetch whose operation can't be read") from None


class _Reader:
    def __init__(self, text: str) -> None:
        self._signs: list[str] = [sign for sign in _TOKEN.findall(text) if sign[0] != "#"]
        self._at = 0
        #: Named fragments: read when they are first spread, or met.
        self._fragments: dict[str, Selected] = {}

    def document(self) -> tuple[str, Sequence[Selected]]:
        kind, found = "query", []
        while self._at < len(self._signs):
            sign = self._next()
            if sign == "fragment":
                self._named(self._signs[self._at])
                continue
            if sign != "{":
                kind = sign
                if self._signs[self._at] not in ("(", "@", "{"):
                    self._next()
                self._arguments()
                self._directives()
                self._next()
            found += self._selections()
        return kind, found

    def _named(self, name: str) -> Selected:
        """Reads the fragment definition whose name is next."""
        self._at += 2
        type_name = self._next()
        self._directives()
        self._next()
        fragment = self._fragments[name] = Selected("", "", self._selections(), type_name)
        return fragment

    def _spread_of(self, name: str) -> Selected:
        if name not in self._fragments:
            here, self._at = self._at, self._definition_of(name)
            self._named(name)
            self._at = here
        return self._fragments[name]

    def _definition_of(self, name: str) -> int:
        depth = 0
        for index, sign in enumerate(self._signs):
            depth += (sign == "{") - (sign == "}")
            if depth == 0 and sign == "fragment" and self._signs[index + 1] == name:
                return index + 1
        raise IndexError(name)

    def _next(self) -> str:
        sign = self._signs[self._at]
        self._at += 1
        return sign

    def _selections(self) -> list[Selected]:
        """Up to the closing brace; the opening one is read."""
        found = []
        while (sign := self._next()) != "}":
            found.append(self._spread() if sign == "..." else self._field(sign))
        return found

    def _field(self, name: str) -> Selected:
        key = name
        if self._signs[self._at] == ":":
            self._next()
            name = self._next()
        self._arguments()
        conditions = self._directives()
        if self._signs[self._at] != "{":
            return Selected(name, key, None, None, conditions)
        self._next()
        return Selected(name, key, self._selections(), None, conditions)

    def _spread(self) -> Selected:
        sign = self._signs[self._at]
        if sign not in ("on", "@", "{"):
            fragment = self._spread_of(self._next())
            return replace(fragment, conditions=self._directives())
        type_name = None
        if sign == "on":
            self._next()
            type_name = self._next()
        conditions = self._directives()
        self._next()
        return Selected("", "", self._selections(), type_name, conditions)

    def _arguments(self) -> None:
        """Passes over them."""
        if self._signs[self._at] != "(":
            return
        depth = 0
        while True:
            sign = self._next()
            depth += (sign == "(") - (sign == ")")
            if depth == 0:
                return

    def _directives(self) -> tuple[tuple[str | bool, bool], ...]:
        found: list[tuple[str | bool, bool]] = []
        while self._signs[self._at] == "@":
            self._next()
            name = self._next()
            begin = self._at
            self._arguments()
            if name in ("include", "skip"):
                # ( if : $ variable )  or  ( if : true )
                value = self._signs[begin + 3]
                given = self._signs[begin + 4] if value == "$" else value == "true"
                found.append((given, name == "include"))
        return tuple(found)
