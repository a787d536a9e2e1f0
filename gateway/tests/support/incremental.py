"""Payloads of incremental delivery -> the whole response, as a strict client reads them.

Also operations with `@defer` at random places.
"""

import copy
import random
from collections.abc import Iterable, Mapping
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Visitor,
    parse,
    print_ast,
    visit,
)


class Whole:
    """Reads payloads in their order; what the protocol forbids is an assertion error."""

    def __init__(self) -> None:
        self.data: Any = None
        self.errors: list[Any] = []
        self.initial: Any = None
        #: (path, label) of all that was announced, in order.
        self.announced: list[tuple[tuple[Any, ...], str | None]] = []
        #: The same of what failed.
        self.failed: list[tuple[tuple[Any, ...], str | None]] = []
        self._pending: dict[str, Any] = {}
        self._ids: set[str] = set()
        self.ended = False

    def read(self, payload: Mapping[str, Any]) -> None:
        """One payload of the form with `pending` and `completed`."""
        assert not self.ended, "a payload after the last"
        if "data" in payload:
            assert self.initial is None
            self.initial = copy.deepcopy(payload)
            self.data = copy.deepcopy(payload["data"])
        self.errors += payload.get("errors", ())
        for one in payload.get("pending", ()):
            assert one["id"] not in self._ids, "an id used twice"
            self._ids.add(one["id"])
            self._pending[one["id"]] = one
            self.announced.append((tuple(one["path"]), one.get("label")))
        for one in payload.get("incremental", ()):
            path = [*self._pending[one["id"]]["path"], *one.get("subPath", ())]
            target = _at(self.data, path)
            assert isinstance(target, dict), f"nothing to add to at {path}"
            merge(target, one["data"], fresh=True)
            self.errors += one.get("errors", ())
        for one in payload.get("pending", ()):
            assert isinstance(_at(self.data, one["path"]), dict), f"nothing is at {one['path']}"
        for one in payload.get("completed", ()):
            pending = self._pending.pop(one["id"])
            if one.get("errors"):
                self.failed.append((tuple(pending["path"]), pending.get("label")))
                self.errors += one["errors"]
        self.ended = not payload.get("hasNext", False)
        if self.ended:
            assert not self._pending, f"never completed: {self._pending}"


class WholeByPath:
    """The same for the form that Apollo's clients read, merged as Apollo Client merges."""

    def __init__(self) -> None:
        self.data: Any = None
        self.errors: list[Any] = []
        self.ended = False

    def read(self, payload: Mapping[str, Any]) -> None:
        """One payload."""
        assert not self.ended, "a payload after the last"
        if "data" in payload:
            self.data = copy.deepcopy(payload["data"])
        self.errors += payload.get("errors", ())
        for one in payload.get("incremental", ()):
            self.errors += one.get("errors", ())
            if one["data"] is not None:
                merge(_at(self.data, one["path"]), one["data"])
        self.ended = not payload.get("hasNext", False)


def _at(data: Any, path: Iterable[Any]) -> Any:
    for key in path:
        data = data[key]
    return data


def merge(into: Any, more: Any, *, fresh: bool = False) -> None:
    """`fresh`: a leaf that is there already must not come again."""
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value, fresh=fresh)
        else:
            assert not fresh or key not in into, f"{key!r} came twice"
            into[key] = copy.deepcopy(value)


def unordered(value: Any) -> Any:
    """Deferred fields come behind the others: compare without the order of keys."""
    if isinstance(value, dict):
        return {key: unordered(value[key]) for key in sorted(value)}
    return [unordered(item) for item in value] if isinstance(value, list) else value


def deferring(document: str, seed: int, chance: float = 0.3) -> str:
    """The operation with `@defer` at some of its fragments, and some of its fields in new deferred fragments."""
    chooser = random.Random(seed)
    parsed = parse(document)
    count = 0

    def directive() -> DirectiveNode:
        nonlocal count
        count += 1
        label = f'(label: "d{count}")' if chooser.random() < 0.7 else ""
        source = f"{{ ... @defer{label} {{ a }} }}"
        definition = parse(source, no_location=True).definitions[0]
        assert isinstance(definition, OperationDefinitionNode)
        fragment = definition.selection_set.selections[0]
        assert isinstance(fragment, InlineFragmentNode)
        return fragment.directives[0]

    class Deferrer(Visitor):
        def leave_selection_set(self, node: SelectionSetNode, *_: Any) -> SelectionSetNode:
            made: list[Any] = []
            for one in node.selections:
                if isinstance(one, FieldNode):
                    if chooser.random() < chance:
                        one = InlineFragmentNode(
                            type_condition=None,
                            directives=(directive(),),
                            selection_set=SelectionSetNode(selections=(one,)),
                        )
                elif chooser.random() < chance and not _is_deferred(one):
                    kind = type(one)
                    parts = {name: getattr(one, name) for name in one.keys if name != "loc"}
                    one = kind(**{**parts, "directives": (*(one.directives or ()), directive())})
                made.append(one)
            return SelectionSetNode(selections=tuple(made))

    changed: DocumentNode = visit(parsed, Deferrer())
    return print_ast(changed)


def _is_deferred(node: FragmentSpreadNode | InlineFragmentNode) -> bool:
    return any(directive.name.value == "defer" for directive in node.directives or ())
