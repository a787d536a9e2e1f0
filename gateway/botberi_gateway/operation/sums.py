"""Sums that depend on variables: added up once for an operation, evaluated for each request.

What depends on no variable is folded into numbers at once. Sums that several fields share (a fragment's) are evaluated
once a request.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Variables: TypeAlias = Mapping[str, Any]
#: Objects and fields.
Figures: TypeAlias = tuple[int, int]
#: A number of items, or 0 and 1 for what a variable leaves out or in.
Factor: TypeAlias = int | Callable[[Variables], int]


@dataclass(slots=True)
class Sum:
    """`objects` and `fields`, and what depends on variables: products, and the greatest of several sums."""

    objects: int = 0
    fields: int = 0
    products: list[tuple[Factor, "Sum"]] = field(default_factory=list)
    greatest: list[list["Sum"]] = field(default_factory=list)

    @property
    def varies(self) -> bool:
        """Whether it depends on variables."""
        return bool(self.products or self.greatest)

    def add(self, other: "Sum", factor: Factor = 1) -> None:
        """`other`, so many times."""
        if isinstance(factor, int) and not other.varies:
            self.objects += factor * other.objects
            self.fields += factor * other.fields
        elif other.objects or other.fields or other.varies:
            self.products.append((factor, other))

    def add_greatest(self, sums: list["Sum"]) -> None:
        """The greatest of them, of objects and of fields each."""
        if any(s.varies for s in sums):
            self.greatest.append(sums)
        elif sums:
            self.objects += max(s.objects for s in sums)
            self.fields += max(s.fields for s in sums)

    def figures(self, variables: Variables, known: dict[int, Figures]) -> Figures:
        """By these variables; `known` has the figures of sums that several fields share."""
        if not self.varies:
            return self.objects, self.fields
        figures = known.get(id(self))
        if figures is None:
            objects, fields = self.objects, self.fields
            for factor, product in self.products:
                times = factor if isinstance(factor, int) else factor(variables)
                more_objects, more_fields = product.figures(variables, known)
                objects += times * more_objects
                fields += times * more_fields
            for sums in self.greatest:
                each = [s.figures(variables, known) for s in sums]
                objects += max(count for count, _ in each)
                fields += max(count for _, count in each)
            figures = known[id(self)] = objects, fields
        return figures


@dataclass(slots=True)
class Below:
    """What a selection set costs: `plain`, and `sized` as often as the field above has items for the lists in it."""

    plain: Sum = field(default_factory=Sum)
    sized: Sum = field(default_factory=Sum)

    def add(self, other: "Below", factor: Factor) -> None:
        """`other`, so many times."""
        self.plain.add(other.plain, factor)
        self.sized.add(other.sized, factor)

    def total(self, size: Factor) -> Sum:
        """With so many items in the lists of `sized`."""
        total = Sum()
        total.add(self.plain)
        total.add(self.sized, size)
        return total
