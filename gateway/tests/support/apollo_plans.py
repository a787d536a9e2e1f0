"""Apollo query-plan JSON -> `botberi_gateway.plan.Plan`: the executor can be tried on another planner's plans."""

from typing import Any

from graphql import GraphQLSchema, is_abstract_type

from botberi_gateway.plan import (
    Entities,
    Fetch,
    KeyField,
    KeyFragment,
    KeySelection,
    ListItems,
    Parallel,
    Path,
    Plan,
    PlanNode,
    Rename,
    Representation,
    Sequence,
    TypeCondition,
)
from gateway.tests.support.plans import fetch_of


def convert_plan(data: dict[str, Any], schema: GraphQLSchema) -> Plan:
    """`schema` is the full schema of the supergraph."""
    converter = _Converter(schema)
    node = converter.node(data["node"], ()) if data.get("node") else None
    return Plan(kind=converter.kind, node=node)


class _Converter:
    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self.count = 0
        self.kind: Any = "query"

    def node(self, data: dict[str, Any], path: Path) -> PlanNode:
        match data["kind"]:
            case "Sequence":
                return Sequence(tuple(self.node(n, path) for n in data["nodes"]))
            case "Parallel":
                return Parallel(tuple(self.node(n, path) for n in data["nodes"]))
            case "Flatten":
                return self.node(data["node"], path + self.path(data["path"]))
            case "Fetch":
                return self.fetch(data, path)
        raise AssertionError(f"unknown plan node {data['kind']}")

    def path(self, elements: list[str]) -> Path:
        result: list[Any] = []
        for element in elements:
            if element == "@":
                result.append(ListItems())
            elif element.startswith("... on "):
                result.append(TypeCondition(self.types(element.removeprefix("... on "))))
            else:
                result.append(element)
        return tuple(result)

    def types(self, name: str) -> frozenset[str]:
        kind = self.schema.get_type(name)
        possible = {t.name for t in self.schema.get_possible_types(kind)} if is_abstract_type(kind) else set()
        return frozenset({name, *possible})

    def fetch(self, data: dict[str, Any], path: Path) -> Fetch:
        self.count += 1
        self.kind = data["operationKind"] if self.count == 1 else self.kind
        entities: tuple[Entities, ...] = ()
        if data.get("requires"):
            entities = (Entities((path,), tuple(self.representations(data))),)
        return fetch_of(
            id=self.count,
            subgraph=data["serviceName"],
            operation=data["operation"],
            kind=data["operationKind"],
            operation_name=data.get("operationName"),
            variables=tuple(data["variableUsages"]),
            entities=entities,
            renames=tuple(
                Rename(self.path(r["path"][:-1]), r["path"][-1], r["renameKeyTo"])
                for r in data.get("outputRewrites") or ()
            ),
        )

    def representations(self, data: dict[str, Any]) -> list[Representation]:
        """Apollo merges all fragments that fit a type; here each type has one representation."""
        typenames = {
            r["path"][0].removeprefix("... on "): r["setValueTo"]
            for r in data.get("inputRewrites") or ()
            if r["kind"] == "ValueSetter" and r["path"][1:] == ["__typename"]
        }
        by_type: dict[str, list[dict[str, Any]]] = {}
        rewritten: dict[str, str] = {}
        for fragment in data["requires"]:
            condition = fragment["typeCondition"]
            for name in sorted(self.types(condition)):
                by_type.setdefault(name, []).extend(fragment["selections"])
                if condition in typenames:
                    rewritten[name] = typenames[condition]
        return [
            Representation(frozenset({name}), rewritten.get(name), self.selections(selections))
            for name, selections in by_type.items()
        ]

    def selections(self, data: list[dict[str, Any]]) -> tuple[KeySelection, ...]:
        result: list[KeySelection] = []
        for item in data:
            below = self.selections(item.get("selections") or [])
            if item["kind"] == "InlineFragment":
                result.append(KeyFragment(self.types(item["typeCondition"]), below))
            elif item["name"] != "__typename":
                result.append(KeyField(item["name"], item.get("alias") or item["name"], below))
            elif result is not None and item is not data[0]:
                result.append(KeyField("__typename", "__typename"))
        return tuple(result)
