"""A file, the environment and options -> `GatewayConfig`, and for each value where it comes from.

An option holds before the environment, the environment before the file, the file before the defaults. Everything that
is wrong is reported at once.
"""

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Sequence as AbstractSequence
from dataclasses import Field, dataclass, field, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, Protocol, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from botberi_gateway.config.document import Node, Scalar, Sequence, Table, merged, nodes_of, read_document
from botberi_gateway.config.problem import ConfigError, Origin, Problem
from botberi_gateway.config.setting import SECONDS, Setting, settings_of
from botberi_gateway.config.tree import GatewayConfig

#: `BOTBERI_GATEWAY__ENGINE__OPERATION__MAX_DEPTH` is `engine.operation.max_depth`.
PREFIX: Final = "BOTBERI_GATEWAY__"

#: Path of a value, or of a branch -> raises `ValueError` where what stands there can't be used.
Checks = Mapping[str, Callable[[Any], object]]

ConfigT = TypeVar("ConfigT")


class _PythonOnly:
    """Stands for types that a file can't express."""


class _Checked(Protocol):
    def problems(self) -> Iterator[tuple[str, str]]:
        """Paths relative to this branch, and what is wrong there."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, and how it came about."""

    config: GatewayConfig
    #: Path -> where its value comes from. Paths with a default aren't there.
    origins: Mapping[str, Origin] = field(default_factory=dict)
    #: Path -> the value as it is written, where it has a `${…}` or `file:`.
    written: Mapping[str, str] = field(default_factory=dict)
    #: The configuration's file and those that its `file:` values name.
    files: AbstractSequence[Path] = ()


def load(
    file: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
    base: GatewayConfig | None = None,
    checks: Checks | None = None,
) -> Loaded:
    """Read a configuration.

    `options` are paths and their values, from the command line. `base` has the values that nothing else gives. Raises
    `ConfigError`.
    """
    environ = environ or {}
    base = base or GatewayConfig()
    document, files = Table({}, Origin("default")), list[Path]()
    problems: list[Problem] = []
    if file is not None:
        read = read_document(file, environ)
        document, files, problems = read.root, [file, *read.files], read.problems
    for name in sorted(environ):
        if name.startswith(PREFIX):
            path = tuple(part.lower() for part in name.removeprefix(PREFIX).split("__"))
            document = _laid_over(document, path, _from_environment(path, environ[name], Origin(name)))
    known = settings_by_path() if options else {}
    for dotted, value in (options or {}).items():
        entry = known.get(dotted)
        option = "option" if entry is None or entry.option is None else entry.option.partition("/")[0]
        path, node = tuple(dotted.split(".")), nodes_of(value, Origin(option))
        if entry is not None and entry.extends and isinstance(node, Sequence):
            present = node_at(document, dotted) or nodes_of(value_at(base, dotted), Origin("default"))
            if isinstance(present, Sequence):
                node = Sequence([*present.items, *node.items], node.origin)
        document = _laid_over(document, path, node)
    unread, count = {problem.path for problem in problems}, len(problems)
    builder = _Builder(document, base, problems, Path() if file is None else file.parent)
    config = builder.branch(GatewayConfig, document, base, "")
    # A value whose variable or file isn't there is wrong once.
    problems = [problem for i, problem in enumerate(problems) if problem.path not in unread or i < count]
    if not problems:
        problems += _checked(config, checks or {}, builder.origins)
    if problems:
        raise ConfigError(problems)
    return Loaded(config, builder.origins, builder.written, files)


def check(config: GatewayConfig, checks: Checks) -> None:
    """Check a configuration that was made in Python. Raises `ConfigError`."""
    problems = _checked(config, checks, {})
    if problems:
        raise ConfigError(problems)


def node_at(document: Table, path: str) -> Node | None:
    """The node of a path, or None."""
    node: Node | None = document
    for key in path.split("."):
        node = node.entries.get(key) if isinstance(node, Table) else None
    return node


def _laid_over(document: Table, path: tuple[str, ...], node: Node) -> Table:
    for key in reversed(path):
        node = Table({key: node}, node.origin)
    return cast(Table, merged(document, node))


def _from_environment(path: tuple[str, ...], text: str, origin: Origin) -> Node:
    """A list is written as `a,b` or in JSON, a mapping in JSON; everything else is text."""
    kind = kind_at(path)
    shape = None if kind is None else shape_of(kind)
    if shape is not None and text.lstrip().startswith(("[", "{")):
        try:
            return nodes_of(json.loads(text), origin)
        except (ValueError, RecursionError):
            return Scalar(text, origin)
    if shape is AbstractSequence:
        return Sequence([Scalar(part.strip(), origin) for part in text.split(",") if part.strip()], origin)
    return Scalar(text, origin)


def kind_at(path: tuple[str, ...]) -> Any:
    """The type of the value at a path, or None where the tree has none."""
    kind: Any = GatewayConfig
    for key in path:
        kind = _without_none(kind)
        if is_dataclass(kind):
            kind = hints(cast(type, kind)).get(key)
        elif shape_of(kind) is Mapping:
            kind = get_args(kind)[1]
        else:
            return None
    return kind


@cache
def hints(kind: Any) -> dict[str, Any]:
    """The types of a configuration class' fields. `ssl` isn't loaded for it: no file can express a context."""
    return get_type_hints(kind, localns={"ssl": type("ssl", (), {"SSLContext": _PythonOnly})})


def in_files(kind: Any) -> bool:
    """Whether a file can express a value of this type."""
    return _without_none(kind) is not _PythonOnly


def _without_none(kind: Any) -> Any:
    """`X` of `X | None`."""
    if get_origin(kind) in (Union, UnionType):
        others = [part for part in get_args(kind) if part is not type(None)]
        return others[0] if len(others) == 1 else kind
    return kind


def _is_optional(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType) and type(None) in get_args(kind)


def shape_of(kind: Any) -> Any:
    """`Mapping` or `Sequence` of the abstract collections, or None for what is neither."""
    origin = get_origin(_without_none(kind))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return Mapping
    if isinstance(origin, type) and issubclass(origin, AbstractSequence):
        return AbstractSequence
    return None


class _Builder:
    def __init__(self, document: Table, base: GatewayConfig, problems: list[Problem], folder: Path) -> None:
        self._folder = folder
        self._document = document
        self._base = base
        self._problems = problems
        self.origins: dict[str, Origin] = {}
        self.written: dict[str, str] = {}

    def branch(self, kind: "type[ConfigT]", node: Node, base: Any, path: str) -> ConfigT:
        """A configuration class from the table; what the table doesn't have is as in `base`."""
        if isinstance(node, Scalar) and node.text is None:
            return cast(ConfigT, base)
        if not isinstance(node, Table):
            self._problems.append(Problem(path, "it needs a mapping of settings", node.origin))
            return cast(ConfigT, base)
        types = hints(cast(Any, kind))
        declared = {entry.name: entry for entry in fields(cast(Any, kind)) if in_files(types[entry.name])}
        values: dict[str, Any] = {}
        for key, inner in node.entries.items():
            below = _below(path, key)
            if key not in declared:
                self._problems.append(Problem(below, _unknown(key, path, declared), node.place(key)))
                continue
            current = getattr(base, key)
            values[key] = self._value(types[key], inner, current, below, declared[key])
        missing = [name for name in declared if name not in values and not hasattr(base, name)]
        if missing:  # only classes without defaults, whose entries are wholly written
            self._problems.append(Problem(path, f"it needs {' and '.join(missing)}", node.origin))
            return cast(ConfigT, base)
        try:
            # What isn't a value of the table is taken from `base`, also what no file can express.
            rest = {e.name: getattr(base, e.name) for e in fields(cast(Any, kind)) if e.name not in values}
            return kind(**{**rest, **values})
        except ValueError as error:
            self._problems.append(Problem(path, str(error), node.origin))
            return cast(ConfigT, base)

    def _value(self, kind: Any, node: Node, base: Any, path: str, declared: Field[Any] | None) -> Any:
        if isinstance(node, Scalar) and node.text is None:
            if _is_optional(kind):
                self._note(path, node)
                return None
            if base is None:
                self._problems.append(Problem(path, "it needs a value", node.origin))
            return base
        inner = _without_none(kind)
        if is_dataclass(inner):
            return self.branch(cast(type, inner), node, _default_of(inner, base), path)
        shape = shape_of(inner)
        if shape is Mapping:
            return self._mapping(inner, node, base, path, declared)
        if shape is AbstractSequence:
            return self._sequence(inner, node, path, declared)
        if not isinstance(node, Scalar):
            self._problems.append(Problem(path, f"it needs {_expected(inner)}", node.origin))
            return base
        return self._scalar(inner, node, base, path, declared)

    def _mapping(self, kind: Any, node: Node, base: Any, path: str, declared: Field[Any] | None) -> Any:
        if not isinstance(node, Table):
            self._problems.append(Problem(path, "it needs a mapping", node.origin))
            return base
        self._note(path, node)
        item = get_args(kind)[1]
        inherits = None if declared is None else declared.metadata.get("inherits")
        values = dict(base or {}) if is_dataclass(item) else {}
        for key, entry in node.entries.items():
            if inherits is None and is_dataclass(item) and isinstance(entry, Scalar) and entry.text is None:
                values.pop(key, None)  # taken out of what is inherited
                continue
            current = values.get(key)
            if inherits is not None:
                common = node_at(self._document, inherits)
                entry = entry if common is None else merged(common, entry)
                current = _as(item, value_at(self._base, inherits)) if current is None else current
            values[key] = self._value(item, entry, current, _below(path, key), None)
        return values

    def _sequence(self, kind: Any, node: Node, path: str, declared: Field[Any] | None) -> Any:
        if not isinstance(node, Sequence):
            self._problems.append(Problem(path, "it needs a list", node.origin))
            return ()
        self._note(path, node)
        item = get_args(kind)[0]
        return tuple(self._value(item, entry, None, f"{path}[{i}]", declared) for i, entry in enumerate(node.items))

    def _scalar(self, kind: Any, node: Scalar, base: Any, path: str, declared: Field[Any] | None) -> Any:
        shown = "" if node.written is not None or _is_secret(declared) else f", not {node.text!r}"
        if kind is Path:
            assert node.text is not None
            self._note(path, node)
            # Of the configuration's file: beside it. Of an option or a variable: in the working folder.
            return self._folder / node.text if node.origin.line is not None else Path(node.text)
        try:
            value = msgspec.convert(node.text, kind, strict=False)
        except msgspec.ValidationError:
            self._problems.append(Problem(path, f"it needs {_expected(kind)}{shown}", node.origin))
            return base
        bound = _bound(value, declared)
        if bound is not None:
            self._problems.append(Problem(path, f"it needs {bound}{shown}", node.origin))
            return base
        self._note(path, node)
        return value

    def _note(self, path: str, node: Node) -> None:
        self.origins[path] = node.origin
        if isinstance(node, Scalar) and node.written is not None:
            self.written[path] = node.written


def _default_of(kind: Any, base: Any) -> Any:
    """What an entry of a mapping or list has before anything is said; an object without attributes if it needs all."""
    if base is not None:
        return base
    try:
        return kind()
    except TypeError:
        return _Partial(kind)


def _as(kind: Any, value: Any) -> Any:
    """The values of a branch as those of a class that has more of them."""
    return value if type(value) is kind else kind(**{own.name: getattr(value, own.name) for own in fields(value)})


class _Partial:
    """The defaults of a class that has fields without one."""

    def __init__(self, kind: Any) -> None:
        from dataclasses import MISSING

        for declared in fields(kind):
            if declared.default is not MISSING:
                setattr(self, declared.name, declared.default)
            elif declared.default_factory is not MISSING:
                setattr(self, declared.name, declared.default_factory())


def _is_secret(declared: Field[Any] | None) -> bool:
    return declared is not None and bool(declared.metadata.get("secret"))


def _bound(value: Any, declared: Field[Any] | None) -> str | None:
    """What a number has to be, where this one is not."""
    if declared is None or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    minimum, exclusive = minimum_of(declared)
    if exclusive and value <= minimum:
        return f"more than {minimum:g}"
    if not exclusive and value < minimum:
        return f"at least {minimum:g}"
    maximum = declared.metadata.get("maximum")
    if maximum is not None and value > maximum:
        return f"at most {maximum:g}"
    return None if value == value and value not in (float("inf"), float("-inf")) else "a finite number"


def minimum_of(declared: Field[Any]) -> tuple[float, bool]:
    """The smallest number of a setting, and whether it must be exceeded."""
    minimum = declared.metadata.get("minimum")
    if minimum is not None:
        return minimum, False
    if declared.default == 0 and not isinstance(declared.default, bool):
        return 0, False
    return (0, True) if declared.metadata.get("unit") == SECONDS or isinstance(declared.default, float) else (1, False)


def _expected(kind: Any) -> str:
    if kind is bool:
        return "true or false"
    if kind is int:
        return "a whole number"
    if kind is float:
        return "a number"
    if kind is str:
        return "a text"
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(str(member.value) for member in kind)
    return "another value"


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _unknown(key: str, path: str, declared: Mapping[str, Any]) -> str:
    """The message for an unknown key: the nearest one here, or where in the tree one of this name is."""
    close = difflib.get_close_matches(key.lower().replace("-", "_"), declared, n=1, cutoff=0.6)
    if close:
        return f"there is no such setting; is {_below(path, close[0])} meant?"
    elsewhere = _settings_named(key)
    if elsewhere:
        return f"there is no such setting; is {elsewhere} meant?"
    return f"there is no such setting; here are {', '.join(declared)}"


def _settings_named(key: str) -> str | None:
    paths: dict[str, str] = {}
    for entry in settings_of(GatewayConfig()):
        paths.setdefault(entry.path.rpartition(".")[2], entry.path)
    close = difflib.get_close_matches(key.lower().replace("-", "_"), paths, n=1, cutoff=0.8)
    return paths[close[0]] if close else None


def _checked(config: Any, checks: Checks, origins: Mapping[str, Origin]) -> list[Problem]:
    """The problems that show when all values are there."""
    problems: list[Problem] = []
    for path, branch in _branches(config, ""):
        own = getattr(branch, "problems", None)
        if own is not None:
            for below, message in cast(_Checked, branch).problems():
                place = _below(path, below) if below else path
                problems.append(Problem(place, message, _origin_of(place, origins)))
    for path, function in checks.items():
        try:
            function(value_at(config, path))
        except ValueError as error:
            problems.append(Problem(path, str(error), _origin_of(path, origins)))
    return problems


def _origin_of(path: str, origins: Mapping[str, Origin]) -> Origin | None:
    """Where the value, or else the first one below it, comes from."""
    if path in origins:
        return origins[path]
    return next((origin for place, origin in origins.items() if place.startswith((f"{path}.", f"{path}["))), None)


def _branches(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if is_dataclass(value):
        yield path, value
        for declared in fields(value):
            yield from _branches(getattr(value, declared.name), _below(path, declared.name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _branches(item, _below(path, str(key)))
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _branches(item, f"{path}[{i}]")


def value_at(config: Any, path: str) -> Any:
    """The value of a path such as `engine.operation.max_depth`. Raises `AttributeError`, `KeyError`."""
    for key in path.split(".") if path else ():
        config = config[key] if isinstance(config, Mapping) else getattr(config, key)
    return config


def settings_by_path() -> dict[str, Setting]:
    """All values of the tree by their paths; those of entries have `[]` or `*` in them."""
    return {entry.path: entry for entry in settings_of(GatewayConfig()) if isinstance(entry, Setting)}
