"""A world and a schema -> answers by graphql-core over the same data, which subgraphs and gateways have to give."""

from collections.abc import Mapping
from typing import Any

from graphql import ExecutionResult, GraphQLError, GraphQLResolveInfo, GraphQLSchema, execute_sync, parse

from botberi_gateway.supergraph import Supergraph
from lab.bench.gateway.graph import Graph


class Row:
    """An object: its type, its fields (layers, of which the first that has one counts), and its representation."""

    def __init__(
        self, kind: str, layers: list[Mapping[str, Any]], representation: Mapping[str, Any] | None = None
    ) -> None:
        self.kind = kind
        self.layers = layers
        self.representation = representation

    def get(self, name: str) -> Any:
        """None where no layer has the field, as of an entity that a subgraph doesn't know."""
        return next((layer[name] for layer in self.layers if name in layer), None)


class Oracle:
    """One subgraph's world, or all of a graph as one."""

    def __init__(self, schema: GraphQLSchema, roots: Mapping[str, Any], tables: Mapping[str, Any]) -> None:
        self._schema = schema
        self._roots = roots
        self._tables = tables
        self._keyed = {
            kind: {str(row[table["keys"][0]]): row for row in table["rows"]} for kind, table in tables.items()
        }

    @classmethod
    def of(cls, graph: Graph) -> "Oracle":
        """The graph as one server: each row has the fields of all subgraphs."""
        roots: dict[str, dict[str, Any]] = {}
        tables: dict[str, Any] = {}
        for subgraph in graph.subgraphs.values():
            for kind, fields in subgraph.roots.items():
                roots.setdefault(kind, {}).update(fields)
            for kind, table in subgraph.tables.items():
                _merge(tables.setdefault(kind, {"keys": table["keys"], "rows": {}, "shared": {}}), table)
        for table in tables.values():
            table["rows"] = list(table["rows"].values())
        return cls(Supergraph.from_sdl(graph.supergraph("http://127.0.0.1:1")).api_schema, roots, tables)

    def answer(self, query: str, variables: Mapping[str, Any] | None = None) -> ExecutionResult:
        """Executed, not validated."""
        return execute_sync(
            self._schema,
            parse(query),
            variable_values=dict(variables or {}),
            field_resolver=self._resolve,
            type_resolver=lambda row, *_: row.kind,
        )

    def entity(self, representation: Mapping[str, Any]) -> Row | None:
        """The row that a representation means."""
        kind = representation["__typename"]
        table = self._tables.get(kind)
        if table is None:
            return None
        row = self._keyed[kind].get(str(representation.get(table["keys"][0])))
        return None if row is None else Row(kind, [row, table.get("shared", {})], representation)

    def _resolve(self, source: Row | None, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        if info.field_name == "_entities":
            return [self.entity(one) for one in arguments["representations"]]
        if source is None:
            return self._value(self._roots[info.parent_type.name][info.field_name], None, arguments)
        return self._value(source.get(info.field_name), source, arguments)

    def _value(self, value: Any, of: Row | None, arguments: Mapping[str, Any]) -> Any:
        match value:
            case {"$ref": [kind, key]}:
                row = self._keyed[kind].get(str(key))
                return row and Row(kind, [value.get("with", {}), row, self._tables[kind].get("shared", {})])
            case {"$rows": kind}:
                count = arguments.get(value["first"], value.get("default")) if "first" in value else None
                rows = self._tables[kind]["rows"]
                return [Row(kind, [row, self._tables[kind].get("shared", {})]) for row in rows[: _length(count)]]
            case {"$one": kind, "argument": name}:
                return self._value({"$ref": [kind, arguments[name]]}, of, arguments)
            case {"$sum": names}:
                return value.get("plus", 0) + sum(self._needed(name, of) for name in names)
            case {"$make": kind, "fields": fields}:
                made = {name: self._value(rule, of, arguments) for name, rule in fields.items()}
                known: Mapping[str, Any] = self._keyed.get(kind, {}).get(str(made.get("id")), {})
                return Row(kind, [made, known, self._tables.get(kind, {}).get("shared", {})])
            case {"$argument": name}:
                return arguments.get(name)
            case {"$error": text}:
                raise GraphQLError(text)
            case {"__typename": kind}:
                return Row(kind, [value])
            case list():
                return [self._value(item, of, arguments) for item in value]
            case _:
                return value

    def _needed(self, name: str, of: Row | None) -> Any:
        assert of is not None
        if of.representation is not None:
            return of.representation[name]
        return self._value(of.get(name), of, {})


def _merge(into: dict[str, Any], table: Mapping[str, Any]) -> None:
    """Fields of an earlier subgraph stay: that is the owner, later ones have external copies."""
    key = table["keys"][0]
    for row in table["rows"]:
        shared = table.get("shared", {})
        # Shared fields become the row's own: a subgraph that doesn't know a row has no shared fields of it either.
        into["rows"][row[key]] = {**shared, **row, **into["rows"].get(row[key], {})}


def _length(asked: int | None) -> int | None:
    return None if asked is None else max(0, asked)
