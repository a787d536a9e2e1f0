"""The blocks of code on a page of the documentation, as a reader would paste them."""

import re
from dataclasses import dataclass
from pathlib import Path

from graphql import FieldNode, InlineFragmentNode, OperationDefinitionNode, OperationType, parse

_FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block, and what its fence says that it is."""

    language: str
    text: str

    @property
    def operation(self) -> OperationDefinitionNode:
        """The only GraphQL operation in the block."""
        (found,) = parse(self.text).definitions
        assert isinstance(found, OperationDefinitionNode)
        return found

    @property
    def kind(self) -> OperationType:
        return self.operation.operation

    @property
    def fields(self) -> list[FieldNode]:
        """The root fields that the block selects."""
        return [each for each in self.operation.selection_set.selections if isinstance(each, FieldNode)]


def blocks(page: Path, language: str) -> list[Block]:
    """The page's blocks of one language, in its order."""
    return [Block(*found) for found in _FENCED.findall(page.read_text()) if found[0] == language]


def success_keys(field: FieldNode) -> set[str]:
    """What a mutation's payload has when it is the success type: `... on LoginSuccess { token }` -> {"token"}."""
    assert field.selection_set is not None
    for each in field.selection_set.selections:
        condition = each.type_condition if isinstance(each, InlineFragmentNode) else None
        if isinstance(each, InlineFragmentNode) and condition is not None and condition.name.value.endswith("Success"):
            inner = each.selection_set.selections
            return {(one.alias or one.name).value for one in inner if isinstance(one, FieldNode)}
    raise AssertionError(f"{field.name.value} selects nothing of its success type")
