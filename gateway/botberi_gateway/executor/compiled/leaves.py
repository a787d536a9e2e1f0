"""A leaf's type -> source that checks its value: what the quick checks don't pass the executor's own rules decide."""

from typing import Final, cast

from graphql import (
    GraphQLEnumType,
    GraphQLNamedType,
    GraphQLOutputType,
    is_list_type,
    is_non_null_type,
    is_scalar_type,
)

from botberi_gateway.executor.compiled.source import Source

_BUILT_IN: Final = ("Int", "Float", "String", "Boolean", "ID")


class LeafChecks:
    """Of one program."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def complete(self, kind: GraphQLOutputType, value: str) -> None:
        """Checks a leaf, or a list of leaves, in the variable `value`."""
        source = self._source
        non_null = is_non_null_type(kind)
        inner = kind.of_type if is_non_null_type(kind) else kind
        if is_list_type(inner):
            with source.block(f"if {value}.__class__ is list:"):
                items, item = source.name("items"), source.name("item")
                source.line(f"{items} = []")
                with source.block(f"for {item} in {value}:"):
                    self.complete(inner.of_type, item)
                    source.line(f"{items}.append({item})")
                source.line(f"{value} = {items}")
            self.otherwise(value, non_null)
            return
        self._leaf(cast(GraphQLNamedType, inner), value, non_null)

    def otherwise(self, value: str, non_null: bool) -> None:
        """What is done with a value that is no list (or object): null where it may be."""
        source = self._source
        if non_null:
            with source.block("else:"):
                source.line(f"refuse({value})")
        else:
            with source.block(f"elif {value} is not None:"):
                source.line(f"refuse({value})")

    def _leaf(self, kind: GraphQLNamedType, value: str, non_null: bool) -> None:
        source = self._source
        test = self.wrong(kind, value, non_null)
        if test is not None:
            with source.block(f"if {test}:"):
                check = "leaf_value" if non_null else "leaf_or_null"
                source.line(f"{value} = {check}({source.constant('TYPE', kind)}, {value})")
        elif non_null:
            with source.block(f"if {value} is None:"):
                source.line(f"no_null({value})")

    def wrong(self, kind: GraphQLNamedType, value: str, non_null: bool) -> str | None:
        """An expression: whether the executor's own rules must decide about a leaf.

        None for custom scalars, which are what they are.
        """
        if is_scalar_type(kind) and kind.name not in _BUILT_IN:
            return None
        if isinstance(kind, GraphQLEnumType):
            allowed = self._source.constant("VALUES", frozenset(kind.values) | (frozenset() if non_null else {None}))
            return f"{value} not in {allowed}"
        fits = {
            "String": f"{value}.__class__ is not str",
            "ID": f"{value}.__class__ is not str",
            "Int": f"({value}.__class__ is not int or not -2147483648 <= {value} <= 2147483647)",
            "Float": f"({value}.__class__ is not float or {value} - {value} != 0.0)",
            "Boolean": f"{value}.__class__ is not bool",
        }[kind.name]
        return fits if non_null else f"{fits} and {value} is not None"
