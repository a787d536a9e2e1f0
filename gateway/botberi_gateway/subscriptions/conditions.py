"""An `EventTrigger` and a subscription's variables -> the events that the subscription is about.

A condition is `attribute=value`, where the value is `@subject`, `$argument` (or a field of it: `$filter.status`), or a
constant in GraphQL's syntax. A list means any of its values. `attribute=$argument?` always holds where the argument is
absent.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from graphql import GraphQLError, ValueNode, parse_value, value_from_ast_untyped

from botberi_gateway import errors
from botberi_gateway.errors import ErrorEntry
from botberi_gateway.plan import EventTrigger
from botberi_gateway.subscriptions.router import Conditions, text_of

_HOLE: Final = re.compile(r"\{\$([A-Za-z_][\w.]*)\}")
_WORD: Final = re.compile(r"[\w~-]{1,64}", re.ASCII)
#: The most values of a list in a condition.
_MAX_VALUES: Final = 1000


def arguments(trigger: EventTrigger, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The field's arguments with the client's variables; an absent variable is an absent argument."""
    arguments = {name: value_from_ast_untyped(_parsed(text)) for name, text in trigger.defaults}
    for name, text in trigger.arguments:
        if not text.startswith("$") or text[1:] in variables:
            arguments[name] = value_from_ast_untyped(_parsed(text), dict(variables))
    return arguments


def conditions(trigger: EventTrigger, arguments: Mapping[str, Any], subject: str | None) -> Conditions | ErrorEntry:
    """The trigger's `where` as attribute -> the texts that it may equal.

    A condition that no event can meet is an error: the subscription would be silent for ever.
    """
    texts_of: dict[str, frozenset[str]] = {}
    field, at = trigger.response_key, (trigger.response_key,)
    for condition in trigger.where:
        attribute, separator, right = (part.strip() for part in condition.partition("="))
        optional = right.endswith("?")
        right = right.removesuffix("?").rstrip()
        if right == "@subject":
            if subject is None:
                return ErrorEntry(f"{field} needs a signed-in caller.", errors.UNAUTHENTICATED, at)
            value: Any = subject
        elif right.startswith("$"):
            value = _at(arguments, right[1:].split("."))
            if value is None and optional:
                continue
            if value is None or value == []:
                return ErrorEntry(f"{field} needs the argument {right[1:]!r}.", errors.BAD_USER_INPUT, at)
        else:
            value = _constant(right)
            if not attribute or not separator or value is None:
                message = f"The condition {condition!r} of {field} can't be understood."
                return ErrorEntry(message, errors.INVALID_SUPERGRAPH, at)
        values = value if isinstance(value, list) else [value]
        if len(values) > _MAX_VALUES:
            return ErrorEntry(f"{field} takes at most {_MAX_VALUES} values.", errors.BAD_USER_INPUT, at)
        texts = frozenset(text_of(item) for item in values if item is not None)
        texts_of[attribute] = texts_of[attribute] & texts if attribute in texts_of else texts
    return texts_of


def topics(trigger: EventTrigger, arguments: Mapping[str, Any]) -> frozenset[str] | ErrorEntry:
    """The routing keys with the arguments' values in place of `{$argument}`.

    A value must be a single word: a dot or wildcard in it would widen the topic.
    """
    wrong: list[str] = []

    def fill(match: re.Match[str]) -> str:
        value = _at(arguments, match[1].split("."))
        text = "" if value is None or isinstance(value, list | dict) else text_of(value)
        if not _WORD.fullmatch(text):
            wrong.append(match[1])
        return text

    filled = frozenset(_HOLE.sub(fill, topic) for topic in trigger.topics)
    if wrong:
        message = f"{trigger.response_key} needs one word as argument {wrong[0]!r}."
        return ErrorEntry(message, errors.BAD_USER_INPUT, (trigger.response_key,))
    return filled


def _at(value: Any, path: list[str]) -> Any:
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _constant(text: str) -> Any:
    try:
        return value_from_ast_untyped(_parsed(text)) if text and "$" not in text else None
    except GraphQLError:
        return None


@lru_cache(maxsize=256)
def _parsed(text: str) -> ValueNode:
    return parse_value(text, no_location=True)
