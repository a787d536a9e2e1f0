"""An `EventTrigger` and one subscription's variables -> which events it wants."""

from collections.abc import Mapping
from typing import Any

from graphql import parse_value, value_from_ast_untyped

from gateway import errors
from gateway.errors import ErrorEntry
from gateway.plan import EventTrigger
from gateway.upstream.events import SourceEvent


def arguments(trigger: EventTrigger, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The field's arguments with the client's variables; an absent variable is an absent argument."""
    arguments = {}
    for name, text in trigger.arguments:
        node = parse_value(text, no_location=True)
        if not text.startswith("$") or text[1:] in variables:
            arguments[name] = value_from_ast_untyped(node, dict(variables))
    return arguments


def conditions(trigger: EventTrigger, arguments: Mapping[str, Any], subject: str | None) -> dict[str, str] | ErrorEntry:
    """`where` as attribute -> the text it must equal. A condition that nothing can meet is an error, not a silent socket."""
    wanted: dict[str, str] = {}
    for condition in trigger.where:
        attribute, _, right = (part.strip() for part in condition.partition("="))
        if right == "@subject":
            if subject is None:
                message = f"{trigger.response_key} needs a signed-in caller."
                return ErrorEntry(message, errors.UNAUTHENTICATED, (trigger.response_key,))
            wanted[attribute] = subject
        elif right.startswith("$"):
            value = arguments.get(right[1:])
            if value is None:
                message = f"{trigger.response_key} needs the argument {right[1:]!r}."
                return ErrorEntry(message, errors.BAD_USER_INPUT, (trigger.response_key,))
            wanted[attribute] = str(value)
        else:
            message = f"The condition {condition!r} of {trigger.response_key} can't be understood."
            return ErrorEntry(message, errors.INVALID_SUPERGRAPH, (trigger.response_key,))
    return wanted


def matches(event: SourceEvent, wanted: Mapping[str, str]) -> bool:
    """Equality of texts; an attribute that the event lacks equals nothing."""
    return all(
        (value := event.attributes.get(attribute)) is not None and str(value) == text
        for attribute, text in wanted.items()
    )
