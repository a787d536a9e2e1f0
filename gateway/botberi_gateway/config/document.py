"""A configuration's text in YAML or JSON -> nodes, each with its line; `${ENV}` and `file:` are expanded here.

Scalars stay text until the type of their place in the tree is known: `version: 1.10` is a text where a text is
expected, and `country: no` is one too.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from botberi_gateway.config.problem import ConfigError, Origin, Problem

#: `$${` is a `${` that is meant as it stands.
_VARIABLE: Final = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-((?:[^}\\]|\\.)*))?\}")
_FILE: Final = "file:"
_MAX_FILE_BYTES: Final = 1_000_000
_MAX_DEPTH: Final = 50
_NULLS: Final = frozenset(("", "~", "null", "Null", "NULL"))


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value without parts. `text` is None where nothing, `null` or `~` is written."""

    text: str | None
    origin: Origin
    #: As it is written, where that differs: with its `${…}` or `file:`. It is shown in place of the text.
    written: str | None = None


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: "list[Node]"
    origin: Origin


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping; its keys are texts, each once."""

    entries: "dict[str, Node]"
    origin: Origin
    #: Where each key stands.
    places: dict[str, Origin] = field(default_factory=dict)

    def place(self, key: str) -> Origin:
        """Where the key stands."""
        return self.places.get(key, self.origin)


Node: TypeAlias = Scalar | Sequence | Table


@dataclass(frozen=True, slots=True)
class Document:
    """The nodes of a text."""

    root: Table
    #: What its `file:` values name.
    files: "list[Path]" = field(default_factory=list)
    #: What is wrong with keys, variables and `file:` values.
    problems: "list[Problem]" = field(default_factory=list)


def read_document(file: Path, environ: Mapping[str, str]) -> Document:
    """The file's nodes. Raises `ConfigError` where it can't be read as a whole."""
    name = str(file)
    try:
        text = file.read_text("utf-8")
    except OSError as error:
        raise ConfigError([Problem("", f"it can't be read: {error.strerror}", Origin(name))]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem("", "it is not UTF-8 text", Origin(name))]) from None
    if file.suffix.lower() == ".json":
        try:
            json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError([Problem("", f"it is not valid JSON: {error}", Origin(name))]) from None
        # JSON is YAML but for tabs, which valid JSON has between values alone.
        text = text.replace("\t", " ")
    return parse_document(text, name, file.parent, environ)


def parse_document(text: str, name: str, folder: Path, environ: Mapping[str, str]) -> Document:
    """The nodes of a text in YAML; `file:` values are relative to `folder`. Raises `ConfigError`."""
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        reader = _Reader(loader, name, folder, environ)
        if root is None:
            return Document(Table({}, Origin(name, 1)))
        document = reader.node(root, "", 0)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None else mark.line + 1
        reason = getattr(error, "problem", None) or str(error)
        raise ConfigError([Problem("", f"it is not valid YAML: {reason}", Origin(name, line))]) from None
    except RecursionError:
        raise ConfigError([Problem("", "it is nested too deeply", Origin(name))]) from None
    finally:
        loader.dispose()
    if not isinstance(document, Table):
        raise ConfigError([Problem("", "it is no mapping of settings", document.origin)])
    return Document(document, reader.files, reader.problems)


class _Reader:
    def __init__(self, loader: Any, name: str, folder: Path, environ: Mapping[str, str]) -> None:
        self._loader = loader
        self._name = name
        self._folder = folder
        self._environ = environ
        self.problems: list[Problem] = []
        self.files: list[Path] = []

    def node(self, node: Any, path: str, depth: int) -> Node:
        origin = Origin(self._name, node.start_mark.line + 1)
        if depth > _MAX_DEPTH:
            self.problems.append(Problem(path, "it is nested too deeply", origin))
            return Scalar(None, origin)
        if isinstance(node, yaml.SequenceNode):
            return Sequence([self.node(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(node.value)], origin)
        if isinstance(node, yaml.MappingNode):
            return self._table(node, path, depth, origin)
        if node.style is None and node.value in _NULLS:
            return Scalar(None, origin)
        return self._scalar(node.value, path, origin)

    def _table(self, node: Any, path: str, depth: int, origin: Origin) -> Table:
        written = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in sorted({key for key in written if written.count(key) > 1} - {"<<"}):
            self.problems.append(Problem(f"{path}.{key}".lstrip("."), "it is given twice", origin))
        self._loader.flatten_mapping(node)  # merges what `<<` names
        table = Table({}, origin)
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.problems.append(Problem(path, "a key is no text", origin))
                continue
            below = f"{path}.{key.value}".lstrip(".")
            table.places[key.value] = Origin(self._name, key.start_mark.line + 1)
            table.entries[key.value] = self.node(value, below, depth + 1)
        return table

    def _scalar(self, written: str, path: str, origin: Origin) -> Scalar:
        text = self._expanded(written, path, origin)
        if text.startswith(_FILE) and not text.startswith("file://"):
            text = self._content(text.removeprefix(_FILE).strip(), path, origin)
        return Scalar(text, origin, None if text == written else written)

    def _expanded(self, written: str, path: str, origin: Origin) -> str:
        def value(match: re.Match[str]) -> str:
            name, default = match.groups()
            if name is None:
                return "${"
            known = self._environ.get(name)
            # As in a shell, `:-` stands in for a variable that is empty, too.
            if known is None or (not known and default is not None):
                if default is None:
                    self.problems.append(
                        Problem(path, f"the environment has no {name}; ${{{name}:-…}} gives a default", origin)
                    )
                    return ""
                return re.sub(r"\\(.)", r"\1", default)
            return known

        return _VARIABLE.sub(value, written)

    def _content(self, name: str, path: str, origin: Origin) -> str:
        file = self._folder / name
        try:
            if file.stat().st_size > _MAX_FILE_BYTES:
                self.problems.append(Problem(path, f"{file} is larger than 1 MB", origin))
                return ""
            text = file.read_text("utf-8")
        except OSError as error:
            self.problems.append(Problem(path, f"{file} can't be read: {error.strerror}", origin))
            return ""
        except UnicodeDecodeError:
            self.problems.append(Problem(path, f"{file} is not UTF-8 text", origin))
            return ""
        self.files.append(file)
        return text.rstrip("\r\n")


def merged(below: Node | None, above: Node) -> Node:
    """`above` laid over `below`: tables are merged key by key, everything else is replaced."""
    if not isinstance(below, Table) or not isinstance(above, Table):
        return above
    entries = dict(below.entries)
    for key, node in above.entries.items():
        entries[key] = merged(entries.get(key), node)
    return Table(entries, above.origin, {**below.places, **above.places})


def nodes_of(value: Any, origin: Origin) -> Node:
    """A Python value (of an option, or of JSON in an environment variable) as nodes."""
    if isinstance(value, Mapping):
        return Table({str(key): nodes_of(item, origin) for key, item in value.items()}, origin)
    if isinstance(value, list | tuple):
        return Sequence([nodes_of(item, origin) for item in value], origin)
    if value is None:
        return Scalar(None, origin)
    if isinstance(value, bool):
        return Scalar("true" if value else "false", origin)
    return Scalar(str(value), origin)
