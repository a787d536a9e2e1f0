"""A schema and a seed -> a random operation with its variables: everything that a client may write."""

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_enum_type,
    is_input_object_type,
    is_interface_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
    is_required_input_field,
    is_union_type,
)

from lab.fuzzing.spelling import turned

ALIASES = ("x", "y", "id", "name", "size", "owner")
#: Fields that the kinds of `lab.fuzzing.kinds` add, by the beginnings of their names. Few graphs have one, so that
#: operations choose each `RARE_WEIGHT` times as often as another field.
RARE = ("again", "alt", "brood", "given", "guest", "kin")
RARE_WEIGHT = 4


@dataclass
class RandomOperation:
    """`document` is valid but for response keys that may conflict, and fragments that are never used twice."""

    document: str
    variables: dict[str, Any]
    features: Counter[str] = field(default_factory=Counter)


class Writer:
    """One operation being written. Every choice comes from one seed."""

    def __init__(self, schema: GraphQLSchema, seed: int, *, mutations: bool = True) -> None:
        self.schema = schema
        self.random = random.Random(seed)
        self.depth = self.random.choice((2, 3, 4, 4, 5))
        self.width = self.random.choice((2, 3, 4))
        self.budget = self.random.choice((8, 16, 30, 45))
        self.kind = "query"
        if mutations and schema.mutation_type is not None and self.chance(0.2):
            self.kind = "mutation"
        elif schema.subscription_type is not None and self.chance(0.2):
            self.kind = "subscription"
        self.roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
        self.defers = self.kind != "subscription" and self.chance(0.2)
        self.fragments: dict[str, tuple[str, str]] = {}
        self.declared: dict[str, str] = {}
        self.variables: dict[str, Any] = {}
        self.features: Counter[str] = Counter()
        self.labels = 0

    def chance(self, odds: float) -> bool:
        return self.random.random() < odds

    def write(self) -> RandomOperation:
        root = self.roots[("query", "mutation", "subscription").index(self.kind)]
        assert root is not None
        body = self._one_field(root) if self.kind == "subscription" else self._selections(root, self.depth)
        heads = ", ".join(f"${name}: {type_}" for name, type_ in self.declared.items())
        name = "" if self.chance(0.2) and not heads else " Random"
        document = f"{self.kind}{name}{f'({heads})' if heads else ''} {body}"
        document += "".join(f"\nfragment {n} on {condition} {text}" for n, (condition, text) in self.fragments.items())
        self.features[self.kind] += 1
        return RandomOperation(document, self.variables, self.features)

    # -- selections

    def _one_field(self, root: Any) -> str:
        """A subscription has one root field, for everybody."""
        name, made = self.random.choice(sorted(root.fields.items()))
        field = self._written(name, made, self.depth, "")
        return f"{{ ... {{ {field} }} }}" if self.chance(0.2) else f"{{ {field} }}"

    def _selections(self, parent: Any, depth: int) -> str:
        root = parent in self.roots
        parts = []
        for _ in range(self.random.randint(1, self.width)):
            roll = self.random.random()
            if roll < 0.08:
                self.features["__typename at the root" if root else "__typename"] += 1
                parts.append(f"{'t: ' if self.chance(0.3) else ''}__typename{self._directives()}")
            elif roll < 0.22 or is_union_type(parent) or (is_abstract_type(parent) and roll < 0.55):
                parts.append(self._fragment(parent, depth))
            else:
                parts.append(self._field(parent, depth))
        return "{ " + " ".join(parts) + " }"

    def _directives(self) -> str:
        text = ""
        if not self.chance(0.13):
            return text
        for kind in self.random.sample(("include", "skip"), self.random.choice((1, 1, 2))):
            if self.chance(0.15):
                self.features[f"@{kind} with a literal"] += 1
                text += f" @{kind}(if: {self.random.choice(('true', 'false'))})"
                continue
            name = self.random.choice(("a", "b", "c"))
            if name not in self.declared:
                self.declared[name] = (
                    "Boolean!" if name != "c" else f"Boolean! = {self.random.choice(('true', 'false'))}"
                )
                if name != "c" or self.chance(0.5):
                    self.variables[name] = self.chance(0.5)
            self.features[f"@{kind} with a variable"] += 1
            text += f" @{kind}(if: ${name})"
        return text

    def _fragment(self, parent: Any, depth: int) -> str:
        self.budget -= 1
        if self.budget < 0:
            return "__typename"
        usable = [n for n, (condition, text) in self.fragments.items() if text and self._overlaps(parent, condition)]
        if usable and self.chance(0.2):
            self.features["fragment used again"] += 1
            return f"...{self.random.choice(usable)}{self._directives()}{self._defer(parent)}"
        target: Any = parent
        if self.chance(0.85):
            target = self.schema.type_map[self.random.choice(self._conditions(parent) or [parent.name])]
        if is_interface_type(parent) and is_interface_type(target) and target is not parent:
            self.features["fragment on another interface"] += 1
        kind = "a union" if is_union_type(target) else "an interface" if is_interface_type(target) else "an object type"
        if self.chance(0.3):
            name = f"F{len(self.fragments)}"
            self.fragments[name] = (target.name, "")
            self.fragments[name] = (target.name, self._selections(target, depth))
            self.features[f"named fragment on {kind}"] += 1
            return f"...{name}{self._directives()}{self._defer(parent)}"
        if target is parent and self.chance(0.4):
            self.features["inline fragment without a type"] += 1
            return f"...{self._directives()}{self._defer(parent)} {self._selections(parent, depth)}"
        self.features[f"inline fragment on {kind}"] += 1
        directives = self._directives()
        self.features["@skip or @include on a fragment"] += bool(directives)
        return f"... on {target.name}{directives}{self._defer(parent)} {self._selections(target, depth)}"

    def _defer(self, parent: Any) -> str:
        """Mutations may not defer their root fields."""
        if not self.defers or parent is self.schema.mutation_type or not self.chance(0.5):
            return ""
        self.features["@defer"] += 1
        arguments = []
        if self.chance(0.4):
            self.labels += 1
            arguments.append(f'label: "l{self.labels}"')
        roll = self.random.random()
        if roll < 0.1:
            arguments.append(f"if: {self.random.choice(('true', 'false'))}")
        elif roll < 0.3:
            self.features["@defer by a variable"] += 1
            self.declared.setdefault("d", "Boolean!")
            self.variables.setdefault("d", self.chance(0.6))
            arguments.append("if: $d")
        return f" @defer({', '.join(arguments)})" if arguments else " @defer"

    def _conditions(self, parent: Any) -> list[str]:
        own = {t.name for t in self.schema.get_possible_types(parent)} if is_abstract_type(parent) else {parent.name}
        found = sorted(own)
        for type_ in self.schema.type_map.values():
            if is_abstract_type(type_) and own & {t.name for t in self.schema.get_possible_types(type_)}:
                found.append(type_.name)
        return found

    def _overlaps(self, parent: Any, condition: str) -> bool:
        return condition in self._conditions(parent)

    def _field(self, parent: Any, depth: int) -> str:
        self.budget -= 1
        fields = [
            (name, made)
            for name, made in sorted(parent.fields.items())
            if (depth > 1 and self.budget > 0) or not is_composite_type(get_named_type(made.type))
        ]
        if not fields:
            return "__typename"
        if self.chance(0.5) and depth > 1:
            fields = [f for f in fields if is_composite_type(get_named_type(f[1].type))] or fields
        if parent in self.roots:
            self.features["second root field"] += self.budget < self.depth
        weights = [RARE_WEIGHT if name.startswith(RARE) else 1 for name, _ in fields]
        ((name, made),) = self.random.choices(fields, weights)
        return self._written(name, made, depth, self._directives())

    def _written(self, name: str, made: Any, depth: int, directives: str) -> str:
        arguments = []
        for argument_name, argument in made.args.items():
            if is_required_argument(argument) or self.chance(0.6):
                arguments.append(f"{argument_name}: {self._value(argument.type, 0)}")
            else:
                self.features["argument left to its default"] += 1
        self.features["argument"] += len(arguments)
        prefix = ""
        if made.args or self.chance(0.15):
            self.features["alias"] += 1
            prefix = (self.random.choice(ALIASES) if self.chance(0.4) else f"k{self.random.randint(0, 99)}") + ": "
        below = get_named_type(made.type)
        text: str = prefix + name + (f"({', '.join(arguments)})" if arguments else "") + directives
        again = self._otherwise(arguments)
        self.features["list of lists"] += "[[" in str(made.type)
        self.features["interface"] += is_interface_type(below)
        self.features["union"] += is_union_type(below)
        self.features["type with several interfaces"] += self._several(below)
        if is_composite_type(below):
            text += " " + self._selections(below, depth - 1)
        if again:
            self.features["argument written otherwise"] += 1
            text += f" {prefix}{name}({', '.join(again)})"
            if is_composite_type(below):
                text += " " + self._selections(below, depth - 1)
        if below.name in ("Big", "Json"):
            self.features["custom scalar"] += 1
        elif is_enum_type(below):
            self.features["enum"] += 1
        return text

    def _several(self, type_: Any) -> bool:
        """True if objects here may be of a type with several interfaces."""
        if not is_composite_type(type_):
            return False
        types: Any = self.schema.get_possible_types(type_) if is_abstract_type(type_) else (type_,)
        return any(len(one.interfaces) > 1 for one in types)

    def _otherwise(self, arguments: list[str]) -> list[str]:
        """The same arguments in other order, input objects' fields too; nothing where none has an input object."""
        if not any("{" in argument for argument in arguments) or not self.chance(0.5):
            return []
        made = [(name, turned(value)) for name, _, value in (a.partition(": ") for a in arguments)]
        return [f"{name}: {value}" for name, value in reversed(made)]

    # -- values

    def _value(self, type_: Any, depth: int) -> str:
        if self.chance(0.3 if depth == 0 else 0.15):
            return self._variable(type_)
        if is_non_null_type(type_):
            return self._literal(type_.of_type, depth)
        if self.chance(0.1):
            self.features["null literal"] += 1
            return "null"
        return self._literal(type_, depth)

    def _literal(self, type_: Any, depth: int) -> str:
        if is_list_type(type_):
            if self.chance(0.1) and not is_list_type(type_.of_type):
                self.features["single value for a list"] += 1
                return self._literal(_bare(type_.of_type), depth)
            return f"[{', '.join(self._value(type_.of_type, depth + 1) for _ in range(self.random.randint(0, 2)))}]"
        if is_enum_type(type_):
            return str(self.random.choice(sorted(type_.values)))
        if is_input_object_type(type_):
            self.features["input object"] += 1
            chosen = [
                (name, made)
                for name, made in type_.fields.items()
                if is_required_input_field(made)
                or (self.chance(0.4) and (depth < 2 or not is_input_object_type(get_named_type(made.type))))
            ]
            return "{" + ", ".join(f"{n}: {self._value(m.type, depth + 1)}" for n, m in chosen) + "}"
        return self._scalar(type_.name)

    def _scalar(self, name: str) -> str:
        number = self.random.randint(-5, 40)
        return {
            "Int": str(number),
            "Float": self.random.choice((f"{number}.5", str(number), f"{number}.0", f"{number}e1")),
            "Boolean": self.random.choice(("true", "false")),
            "ID": self.random.choice((f'"i{number}"', str(abs(number)))),
            "Big": self.random.choice((str(10**18 + number), f'"{number}"')),
        }.get(name, json.dumps(self.random.choice(("a", "ä ☂", 'q"t', "line\nbreak"))))

    def _variable(self, type_: Any) -> str:
        """A variable that may stand here: given, null, absent or defaulted."""
        name = f"v{len(self.declared)}"
        declared = str(type_)
        nullable = not is_non_null_type(type_)
        text = declared
        if self.chance(0.25):
            literal = self._constant(_bare(type_))
            text = (declared if self.chance(0.5) or nullable else declared[:-1]) + f" = {literal}"
            self.features["variable with default"] += 1
        self.declared[name] = text
        required = "=" not in text and text.endswith("!")
        roll = self.random.random()
        if not required and roll < 0.3:
            self.features["absent variable"] += 1
        elif not text.split(" =")[0].endswith("!") and roll < 0.45 and nullable:
            self.features["null variable"] += 1
            self.variables[name] = None
        else:
            self.features["variable"] += 1
            self.variables[name] = self._json(type_, 0)
        return f"${name}"

    def _constant(self, type_: Any) -> str:
        saved, self.random = self.random, random.Random(self.random.random())
        chance, self.chance = self.chance, lambda odds: False  # type: ignore[method-assign]
        text = self._literal(type_, 2)
        self.chance = chance  # type: ignore[method-assign]
        self.random = saved
        return text

    def _json(self, type_: Any, depth: int) -> Any:
        if is_non_null_type(type_):
            type_ = type_.of_type
        elif depth and self.chance(0.1):
            return None
        if is_list_type(type_):
            return [self._json(type_.of_type, depth + 1) for _ in range(self.random.randint(0, 2))]
        if is_enum_type(type_):
            return self.random.choice(sorted(type_.values))
        if is_input_object_type(type_):
            self.features["input object in a variable"] += 1
            return {
                name: self._json(made.type, depth + 1)
                for name, made in type_.fields.items()
                if is_required_input_field(made)
                or (self.chance(0.4) and (depth < 2 or not is_input_object_type(get_named_type(made.type))))
            }
        return json.loads(self._scalar(type_.name))


def _bare(type_: Any) -> Any:
    return type_.of_type if is_non_null_type(type_) else type_


def random_operation(schema: GraphQLSchema, seed: int, *, mutations: bool = True) -> RandomOperation:
    """The same for the same seed."""
    return Writer(schema, seed, mutations=mutations).write()


__all__ = ["RandomOperation", "Writer", "random_operation"]
