"""A schema and a seed -> a random valid-looking operation.

It has aliases, fragments of every kind, conditions, arguments, `__typename`.
"""

import random
from typing import Any

from graphql import (
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
    is_union_type,
)


class Generator:
    """One operation. `variables` are the values that go with it."""

    def __init__(self, schema: GraphQLSchema, seed: int, depth: int = 4, width: int = 4) -> None:
        self.schema = schema
        self.random = random.Random(seed)
        self.depth = depth
        self.width = width
        self.fragments: list[str] = []
        self.conditions = {"a": self.random.random() < 0.5, "b": self.random.random() < 0.5}
        self.used: set[str] = set()
        self.budget = 60

    def operation(self) -> tuple[str, dict[str, Any]]:
        """(document, variables)."""
        assert self.schema.query_type is not None
        body = self._selections(self.schema.query_type, self.depth)
        variables = ", ".join(f"${name}: Boolean!" for name in sorted(self.used))
        head = f"query Random({variables}) " if variables else "query Random "
        document = head + body + "".join(self.fragments)
        return document, {name: self.conditions[name] for name in sorted(self.used)}

    def _selections(self, parent: Any, depth: int) -> str:
        parts = []
        for _ in range(self.random.randint(1, self.width)):
            roll = self.random.random()
            if roll < 0.08 and parent is not self.schema.query_type:
                parts.append(("t: " if self.random.random() < 0.3 else "") + "__typename" + self._directives())
            elif roll < 0.2 or is_union_type(parent) or (is_abstract_type(parent) and roll < 0.5):
                parts.append(self._fragment(parent, depth))
            else:
                parts.append(self._field(parent, depth))
        return "{ " + (" ".join(p for p in parts if p) or "__typename") + " }"

    def _directives(self) -> str:
        text = ""
        if self.random.random() < 0.12:
            for kind in self.random.sample(["include", "skip"], self.random.choice([1, 1, 2])):
                name = self.random.choice(["a", "b"])
                self.used.add(name)
                text += f" @{kind}(if: ${name})"
        return text

    def _fragment(self, parent: Any, depth: int) -> str:
        self.budget -= 1
        if self.budget < 0:
            return "__typename"
        choices = [parent]
        if is_abstract_type(parent):
            choices = [*self.schema.get_possible_types(parent), parent]
        choices += [
            t
            for t in self.schema.type_map.values()
            if is_abstract_type(t)
            and (
                self.schema.is_sub_type(t, parent)
                or (
                    is_abstract_type(parent)
                    and set(self.schema.get_possible_types(t)) & set(self.schema.get_possible_types(parent))
                )
            )
        ]
        target: Any = self.random.choice(choices)
        body = self._selections(target, depth)
        if self.random.random() < 0.3:
            name = f"F{len(self.fragments)}"
            self.fragments.append("")
            self.fragments[int(name[1:])] = f"\nfragment {name} on {target.name} {body}"
            return f"...{name}{self._directives()}"
        if target is parent and self.random.random() < 0.3:
            return f"...{self._directives()} {body}"
        return f"... on {target.name}{self._directives()} {body}"

    def _field(self, parent: Any, depth: int) -> str:
        self.budget -= 1
        fields = [
            (name, field)
            for name, field in sorted(parent.fields.items())
            if (depth > 1 and self.budget > 0) or not is_composite_type(get_named_type(field.type))
        ]
        if not fields:
            return "__typename"
        name, field = self.random.choice(fields)
        arguments = []
        for argument_name, argument in field.args.items():
            if is_required_argument(argument) or self.random.random() < 0.5:
                arguments.append(f"{argument_name}: {self._value(argument.type)}")
        text = name + (f"({', '.join(arguments)})" if arguments else "")
        if arguments or self.random.random() < 0.15:
            text = f"{self.random.choice(['x', 'y', 'id', 'name', 'z'])}{self.random.randint(0, 3) if self.random.random() < 0.7 else ''}: {text}"
        text += self._directives()
        below = get_named_type(field.type)
        if is_composite_type(below):
            text += " " + self._selections(below, depth - 1)
        return text

    def _value(self, type_: Any) -> str:
        if is_non_null_type(type_):
            return self._value(type_.of_type)
        if is_list_type(type_):
            return f"[{self._value(type_.of_type)}]"
        if is_enum_type(type_):
            return str(self.random.choice(sorted(type_.values)))
        if is_input_object_type(type_):
            inner = [
                f"{name}: {self._value(field.type)}"
                for name, field in type_.fields.items()
                if is_non_null_type(field.type) or not is_input_object_type(get_named_type(field.type))
            ]
            return "{" + ", ".join(inner) + "}"
        return {"Int": "2", "Float": "1.5", "Boolean": "true"}.get(type_.name, f'"v{self.random.randint(0, 2)}"')


def random_operation(schema: GraphQLSchema, seed: int) -> tuple[str, dict[str, Any]]:
    """(document, variables), the same for the same seed."""
    generator = Generator(schema, seed, depth=random.Random(seed).choice([2, 3, 4, 5]))
    return generator.operation()
