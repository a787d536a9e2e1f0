"""Lines, names and constants -> Python source, and the functions in it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

#: A program beyond it would cost more to compile than it saves.
MAX_LINES: Final = 20_000


#: The first lines of a program that people read.
LEGEND: Final = (
    "# flight: this execution. dataN: what fetch N gave at the root, requestN: its request.",
    "# indexN_M: objects (by identity or key) -> their rows in rowsN_M. rowsN_M: what fetch N gave for the",
    "# representations askedN_M.",
    "# partN: an answer's object; entityN: one of a row; v_FIELD_N: a field's value; itemN, itemsN: of lists.",
    "# shared0: what is made once for equal entities.",
    "# path, report, errors, markN: where an object is, and what is wrong there. CAPITALS: constants.",
)


class Unsupported(Exception):
    """The plan can't be compiled; the message says why, for operators."""


class Source:
    """Source code being written. Names are unique in it; constants become globals of the program."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {}
        self._known: dict[tuple[str, Any], str] = {}
        self._depth = 0
        self._count = 0
        self._numbers: dict[str, int] = {}

    def line(self, text: str) -> None:
        """One line at the present depth."""
        self._count += 1
        if self._count > MAX_LINES:
            raise Unsupported("the program would be too large")
        self.lines.append("    " * self._depth + text if text else "")

    def block(self, head: str) -> "_Block":
        """A context manager: `head` (with its colon), and what is written meanwhile below it."""
        self.line(head)
        # CPython refuses more; real plans stay far below.
        if self._depth > 80:
            raise Unsupported("the operation is nested too deeply")
        return _Block(self)

    def deeper(self, by: int) -> None:
        """What is written from here on is so many levels further in."""
        self._depth += by

    @contextmanager
    def aside(self, depth: int) -> Iterator[list[str]]:
        """What is written meanwhile goes into the list that this gives, at that depth.

        For functions that belong further up.
        """
        lines, before = self.lines, self._depth
        self.lines, self._depth = [], depth
        try:
            yield self.lines
        finally:
            self.lines, self._depth = lines, before

    def name(self, kind: str) -> str:
        """A new name: `kind` and a number."""
        number = self._numbers.get(kind, 0)
        self._numbers[kind] = number + 1
        return f"{kind}{number}"

    def constant(self, kind: str, value: Any) -> str:
        """The global that holds `value`; equal hashable values share one."""
        try:
            mark = (kind, value)
            known = self._known.get(mark)
        except TypeError:
            mark = None
            known = None
        if known is None:
            known = self.name(kind)
            self.constants[known] = value
            if mark is not None:
                self._known[mark] = known
        return known

    def text(self) -> str:
        """The lines, with what their names mean."""
        return "\n".join([*LEGEND, *self.lines]) + "\n"

    def function(self, name: str, title: str, helpers: dict[str, Any]) -> Any:
        """Compile, and give the function of that name, which sees `helpers` and the constants as globals."""
        return self.functions((name,), title, helpers)[0]

    def functions(self, names: Sequence[str], title: str, helpers: dict[str, Any]) -> tuple[Any, ...]:
        """Compile, and give the functions of these names.

        They are made by a function around them and see each other as its variables, not as globals: a function holds
        its globals, and globals that held the function would keep both until the garbage collector looks at them.
        """
        lines = ["def program():", *("    " + line for line in self.lines), f"    return ({', '.join(names)},)"]
        code = compile("\n".join(lines) + "\n", f"<plan {title}>", "exec", dont_inherit=True)
        namespace: dict[str, Any] = {**helpers, **self.constants}
        exec(code, namespace)  # noqa: S102 -- our own code: names and literals in it are written with `repr`
        functions: tuple[Any, ...] = namespace.pop("program")()
        return functions


class _Block:
    """Indents what is written inside it. A program has hundreds of them."""

    __slots__ = ("_source",)

    def __init__(self, source: Source) -> None:
        self._source = source

    def __enter__(self) -> None:
        self._source.deeper(1)

    def __exit__(self, *exc: object) -> None:
        self._source.deeper(-1)
