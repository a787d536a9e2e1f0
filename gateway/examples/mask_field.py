"""Mask a field: callers that are not named get other letters in its place, wherever an answer has it.

```yaml
plugins:
  - use: examples.mask_field:MaskField
    options: {field: email, allowed: auditor}
```
"""

from collections.abc import Iterator
from typing import Any

from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, InlineFragmentNode, SelectionSetNode, parse

from botberi_gateway.plugins import OutgoingResponse, Plugin


class MaskField(Plugin):
    """Masks every field of this name. A client may call it by another name (an alias): the document says which."""

    def __init__(self, field: str, allowed: str = "", mask: str = "***") -> None:
        self._field, self._allowed, self._mask = field, frozenset(allowed.split()), mask

    async def on_response(self, response: OutgoingResponse) -> None:
        """Mask in the answer to a query or mutation."""
        self._apply(response)

    async def on_subscription_event(self, response: OutgoingResponse) -> None:
        """Mask in each result of a subscription."""
        self._apply(response)

    def _apply(self, response: OutgoingResponse) -> None:
        operation = response.operation
        # A document that doesn't have the name anywhere is not looked at.
        if operation.subject in self._allowed or self._field not in operation.document or response.data is None:
            return
        names = set(self._response_names(operation.document))
        self._mask_below(response.data, names)

    def _response_names(self, document: str) -> Iterator[str]:
        """The names under which the answer has the field."""
        waiting: list[SelectionSetNode | None] = [
            definition.selection_set  # type: ignore[attr-defined]
            for definition in parse(document, no_location=True).definitions
        ]
        while waiting:
            selection_set = waiting.pop()
            for selection in selection_set.selections if selection_set is not None else ():
                match selection:
                    case FieldNode():
                        if selection.name.value == self._field:
                            yield (selection.alias or selection.name).value
                        waiting.append(selection.selection_set)
                    case InlineFragmentNode() | FragmentDefinitionNode():
                        waiting.append(selection.selection_set)
                    case FragmentSpreadNode():
                        pass  # its definition is among the document's

    def _mask_below(self, value: Any, names: set[str]) -> None:
        if isinstance(value, list):
            for item in value:
                self._mask_below(item, names)
        elif isinstance(value, dict):
            for name, item in value.items():
                if name in names and isinstance(item, str):
                    value[name] = self._mask
                else:
                    self._mask_below(item, names)
