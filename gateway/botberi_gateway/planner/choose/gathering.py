"""Field sets (keys, `@requires`, contexts) -> their fields selected somewhere, and how representations read them."""

from botberi_gateway.plan import KeySelection
from botberi_gateway.planner.choose.run import Run
from botberi_gateway.planner.conditions import Conditions
from botberi_gateway.planner.fetch_graph import Groups, Position
from botberi_gateway.planner.representations import MayNull
from botberi_gateway.planner.tree import Field


class Gathering:
    """Has the fields of field sets selected, for one run."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def gather(
        self,
        position: Position,
        types: frozenset[str],
        type_name: str,
        field_set: str,
        conditions: Conditions,
        may_null: MayNull | None = None,
    ) -> tuple[list[KeySelection], Groups]:
        """How a field set is read of objects of `types` at the position, and the groups that give its fields.

        `type_name` is the type that it is a field set of. `may_null`: see `ResponseKeys.with_keys`.
        """
        graph = self.run.graph
        parent = type_name
        if parent not in graph.types or (len(types) == 1 and graph.types[parent].kind == "OBJECT"):
            parent = min(types)
        fields = self.run.walker.field_set(parent, field_set, conditions)
        groups: Groups = {}
        inputs: list[KeySelection] = []
        for field in fields:
            if field.is_typename:
                continue
            with_key, selections = self.run.response_keys.with_keys(position.keys, field, may_null)
            groups.update(self.run.calls.place(position, with_key, types))
            inputs += selections
        return inputs, groups

    def gather_key(
        self, position: Position, types: frozenset[str], type_name: str, key: str, conditions: Conditions
    ) -> tuple[list[KeySelection], Groups]:
        """As `gather`; and `__typename`, which every representation has."""
        inputs, groups = self.gather(position, types, type_name, key, conditions)
        select_typename(position, groups)
        if not groups:
            for entry in position.entries[:1]:
                groups[entry.group] = None
        return inputs, groups

    def may_null(self, field: Field, name: str) -> bool:
        """Whether the field `name`, selected of the object that `field` gives, may null that object.

        What requires it would then be computed of a null that isn't the object's value. (A key that is null for such a
        reason is an error that is reported, and nothing is looked up by it.)
        """
        graph = self.run.graph
        if field.type_name is None or name == "__typename":
            return False
        return any(
            inner.field.shape.endswith("!") and not inner.field.needs_more
            for type_name in graph.possible(field.type_name)
            for inner in graph.resolvers(type_name, name)
            if (parent := graph.subgraph_type(inner.graph, field.via)) is not None and field.name in parent.fields
        )


def select_typename(position: Position, groups: Groups) -> None:
    """Have these groups ask for `__typename` at the position, where they know it.

    Representations are made of what they give.
    """
    knowing = [entry for entry in position.entries if entry.knows_type]
    for entry in knowing or position.entries:
        if entry.group in groups:
            entry.selection.typename = True
