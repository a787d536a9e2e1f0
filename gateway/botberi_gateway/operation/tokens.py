"""A parsed document -> the same without its tokens, which hold one another in a cycle and are never looked at again."""

from typing import Any, Final

from graphql import DocumentNode, Location, Node, Token, TokenKind
from graphql.language.ast import QUERY_DOCUMENT_KEYS

#: Stands in for the tokens of every location; `start` and `end` of a location are numbers of its own.
_NO_TOKEN: Final = Token(TokenKind.SOF, 0, 0, 0, 0)
#: Kind of node -> the attributes that hold other nodes.
_KEYS: Final = QUERY_DOCUMENT_KEYS


def drop_tokens(document: DocumentNode) -> None:
    """Each location keeps its offsets and its source, so that errors still say where.

    Tokens are linked both ways. With them, the memory of an operation that leaves the cache would wait for the garbage
    collector.
    """
    if document.loc is None:
        return
    token: Token | None = document.loc.start_token
    while token is not None:
        following = token.next
        token.prev = token.next = None
        token = following
    left: list[Any] = [document]
    while left:
        node = left.pop()
        location: Location | None = node.loc
        if location is not None:
            location.start_token = location.end_token = _NO_TOKEN
        for key in _KEYS.get(node.kind, ()):
            value = getattr(node, key)
            if isinstance(value, Node):
                left.append(value)
            elif value.__class__ is tuple or value.__class__ is list:
                left += [item for item in value if isinstance(item, Node)]
