"""A schema -> what objects of its types may be called; each found once for the schema."""

from weakref import WeakKeyDictionary

from graphql import GraphQLSchema, is_abstract_type, is_object_type


class Names:
    """Of one schema. Get it by `names_of`."""

    def __init__(self, schema: GraphQLSchema) -> None:
        #: Object types that clients see.
        self.objects = frozenset(name for name, kind in schema.type_map.items() if is_object_type(kind))
        #: Interfaces and unions that clients see -> their object types.
        self.possible = {
            name: frozenset(t.name for t in schema.get_possible_types(kind))
            for name, kind in schema.type_map.items()
            if is_abstract_type(kind)
        }
        self.abstract = frozenset(self.possible)
        self._fitting: dict[frozenset[str], frozenset[str]] = {}

    def fitting(self, types: frozenset[str]) -> frozenset[str]:
        """What an object of one of these types may be called.

        Their names, or those of an interface or union whose types are all among them.
        """
        names = self._fitting.get(types)
        if names is None:
            general = {name for name, possible in self.possible.items() if possible and possible <= types}
            names = self._fitting[types] = types | general
        return names


_KNOWN: "WeakKeyDictionary[GraphQLSchema, Names]" = WeakKeyDictionary()


def names_of(schema: GraphQLSchema) -> Names:
    """Made when first asked for."""
    names = _KNOWN.get(schema)
    if names is None:
        names = _KNOWN[schema] = Names(schema)
    return names
