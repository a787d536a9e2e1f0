"""Mutated SDLs through composition, which has to answer each without a traceback.

`python -m gateway.tests.composition.mutants --count 20000 --seed 1`

Mutants are made of the error cases (and the conformance corpus, where it is beside the project): tokens are dropped,
doubled, swapped or replaced, characters changed, lines moved between subgraphs. Every answer is reported in all formats
too, and every supergraph is read back.
"""

import argparse
import json
import random
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from botberi_gateway.composition import Subgraph, compose
from botberi_gateway.composition.report import ERRORS, HINTS, findings, github, sarif, text
from botberi_gateway.supergraph import read_supergraph

HERE = Path(__file__).parent
CORPUS = HERE.parents[3] / "shared" / "conformance" / "composition" / "cases"
_TOKEN = re.compile(r'\s+|"""|"(?:[^"\\\n]|\\.)*"|@?\w+|.', re.DOTALL)
_WORDS = (
    *("type", "interface", "union", "enum", "input", "scalar"),
    *("extend", "schema", "directive", "implements", "on", "repeatable"),
    *("Query", "Mutation", "ID!", "[Int!]!", "String", "Product"),
    *("_Entity", "__Type", "federation__FieldSet", "null", "true", "-1", "1e9"),
    *("@key", "@key(fields: \"id\")", "@external"),
    *("@requires(fields: \"a { b }\")", "@provides(fields: \"...\")", "@shareable", "@inaccessible"),
    *("@override(from: \"a\")", "@override(from: \"b\", label: \"percent(5)\")"),
    *("@interfaceObject", "@tag(name: \"x\")", "@context(name: \"c\")"),
    *("@link(url: \"https://specs.apollo.dev/federation/v2.3\")", "@listSize(assumedSize: 1)"),
    *("@cost(weight: 1)", "@authenticated"),
    *("@policy(policies: [[\"p\"]])", "@deprecated"),
    *("@specifiedBy(url: \"u\")", "@composeDirective(name: \"@x\")", "@oneOf"),
    *("@listSize(slicingArguments: \"first\", sizedFields: \"a\")"),
    *("@requiresScopes(scopes: \"a\")", "@policy(policies: [\"a\"])"),
    *("@cost(weight: \"1\")", "@deprecated(reason: x)", "@fromContext(field: \"$c { id }\")"),
    *("@oneOf", "@w(a: {b: [1]})", "@key(fields: id)"),
    *("{", "}", "(", ")", "[", "]", "!", ":", "=", "|", "&"),
    *("@", "$", "...", "#", '"', '"""', "\\", "\ufeff", "\r\n", "\x00", "é", "0"),
)  # fmt: skip


def bases() -> list[list[Subgraph]]:
    """Sets of subgraphs to start from."""
    found = []
    for folder in sorted([*(HERE / "cases").iterdir(), *(HERE / "hints").iterdir()]):
        for place in (folder, folder / "fixed"):
            sdls = [Subgraph(path.stem, path.read_text("utf-8")) for path in sorted(place.glob("*.graphql"))]
            if sdls:
                found.append(sdls)
    if CORPUS.is_dir():
        for path in sorted(CORPUS.glob("*.json"))[::4]:
            case = json.loads(path.read_text("utf-8"))
            sdls = [Subgraph(s["name"], s["sdl"]) for s in case["subgraphs"]]
            if sum(len(s.sdl) for s in sdls) < 6_000:
                found.append(sdls)
    return found


def mutants(seed: int, count: int) -> Iterator[list[Subgraph]]:
    """The same ones for the same seed."""
    dice = random.Random(seed)
    sets = bases()
    for _ in range(count):
        subgraphs = list(dice.choice(sets))
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            victim = dice.randrange(len(subgraphs))
            other = dice.choice(dice.choice(sets)).sdl
            found = subgraphs[victim]
            subgraphs[victim] = Subgraph(found.name, _mutate(found.sdl, other, dice))
        yield subgraphs


def _mutate(sdl: str, other: str, dice: random.Random) -> str:
    if dice.random() < 0.8:
        return _meaning(sdl, dice)
    tokens = _TOKEN.findall(sdl) or [" "]
    place = dice.randrange(len(tokens))
    match dice.randrange(9):
        case 0:
            del tokens[place]
        case 1:
            tokens.insert(place, tokens[place])
        case 2:
            target = dice.randrange(len(tokens))
            tokens[place], tokens[target] = tokens[target], tokens[place]
        case 3:
            tokens[place] = dice.choice(_WORDS)
        case 4:
            tokens.insert(place, f" {dice.choice(_WORDS)} ")
        case 5:
            names = [i for i, token in enumerate(tokens) if re.fullmatch(r"@?\w+", token)]
            if len(names) > 1:
                tokens[dice.choice(names)] = tokens[dice.choice(names)]
        case 6:
            lines = sdl.splitlines(keepends=True) or [""]
            foreign = other.splitlines(keepends=True) or [""]
            lines.insert(dice.randrange(len(lines) + 1), dice.choice(foreign))
            return "".join(lines)
        case 7:
            lines = sdl.splitlines(keepends=True) or [""]
            del lines[dice.randrange(len(lines))]
            return "".join(lines)
        case _:
            at = dice.randrange(len(sdl) + 1)
            return (
                sdl[:at] + chr(dice.choice((0, 9, 34, 64, 123, 125, 0xD800, 0x2028, 0xFEFF, 0x1F600))) + sdl[at + 1 :]
            )
    return "".join(tokens)


#: Literals of every kind, in places of every type.
_VALUES = (
    *("null", "true", "1", "1.0", "-0", "1e400", "9" * 5000, "1e99999"),
    *('"a"', '""', '"""a"""', "A", "[]", "[[]]", "[null]", "[[1], 1]"),
    *("{}", "{a: 1}", "{a: {a: [null]}}", '["a", ["b"]]', '{id: 1, name: "x"}', "[{a: 1}, 2]", "x"),
)  # fmt: skip
#: What still parses, mostly: a pattern, and what one of its finds becomes.
_DIRECTIVES = [word for word in _WORDS if word.startswith("@") and len(word) > 1]
_NAMES = (
    "Int",
    "String",
    "ID",
    "Product",
    "Node",
    "Query",
    "Unit",
    "Filter",
    "Media",
    "Missing",
    "id",
    "name",
    "a",
    "b",
)
_MEANINGS: list[tuple[str, Callable[[re.Match[str], random.Random], str]]] = [
    (r"(?<=:) ?\[?\w+!?\]?!?", lambda found, dice: f"{found[0]} {dice.choice(_DIRECTIVES)}"),
    (r"(?<=:) ?\w+", lambda _, dice: f" {dice.choice(_NAMES)}"),
    (r"(?<=:) ?\w+", lambda found, _: f" [{found[0].strip()}]"),
    (r"(?<=:) ?\w+!", lambda found, _: found[0].rstrip("!")),
    (r"(?<=:) ?\w+(?!!)\b", lambda found, _: f"{found[0]}!"),
    (r"(?<=:) ?\[?\w+!?\]?!?", lambda found, dice: f"{found[0]} = {dice.choice(_VALUES)}"),
    (r"(?<=[=:]) ?(\d+|true|false|\"[^\"]*\"|\[[^\]]*\])", lambda _, dice: f" {dice.choice(_VALUES)}"),
    (
        r"\n(?=type )",
        lambda _, dice: (
            f"\ndirective @w(a: J = {dice.choice(_VALUES)} @deprecated) "
            "repeatable on FIELD_DEFINITION | FIELD\nscalar J\n"
        ),
    ),
    (
        r"\n(?=extend schema|schema)",
        lambda *_: (
            '\nextend schema @link(url: "https://x.example/w/v1.0", import: ["@w"]) @composeDirective(name: "@w")\n'
        ),
    ),
    (r"(?<=:) ?\w+!?(?=\n)", lambda found, dice: f"{found[0]} @w(a: {dice.choice(_VALUES)})"),
    (r"@\w+(\([^()]*\))?", lambda *_: ""),
    (r"@\w+(\([^()]*\))?", lambda found, _: f"{found[0]} {found[0]}"),
    (r"@\w+", lambda _, dice: dice.choice(_DIRECTIVES)),
    (r"\n  \w[^\n]*", lambda *_: ""),
    (r"\n  \w[^\n]*", lambda found, _: f"{found[0]}\n  extra{found[0].strip()}"),
    (
        r"\n  (?=\w)",
        lambda found, dice: (
            f"{found[0]}{dice.choice(_NAMES).lower()}(of: Unit = KG): [Product!] {dice.choice(_DIRECTIVES)}\n  "
        ),
    ),
    (
        r'(?<=")[^"\n]+(?=")',
        lambda _, dice: dice.choice(
            ("id", "name", "id name", "maker { id }", "", "x", "{", "... on Node { id }", "id id")
        ),
    ),
    (r"\b(type|interface|input)\b", lambda _, dice: dice.choice(("type", "interface", "input", "extend type"))),
    (r"\b(type|interface|union|enum|input|scalar)\b", lambda found, _: f"extend {found[0]}"),
    (r"(?<=type )\w+", lambda _, dice: dice.choice(_NAMES).capitalize()),
    (r"(?<=type )\w+", lambda found, dice: f"{found[0]} {dice.choice(_DIRECTIVES)}"),
    (r"(?<=type )\w+", lambda found, dice: f"{found[0]} implements {dice.choice(('Node', 'Media', found[0]))}"),
    (r"v2\.\d+", lambda _, dice: f"v2.{dice.randrange(16)}"),
    (r"import: \[", lambda found, dice: f'{found[0]}"{dice.choice(_DIRECTIVES).split("(")[0]}", '),
    (
        r"\Z",
        lambda _, dice: (
            f"\nextend type {dice.choice(_NAMES).capitalize()} {{ {dice.choice(_NAMES)}: {dice.choice(_NAMES)} }}"
        ),
    ),
]


def _meaning(sdl: str, dice: random.Random) -> str:
    pattern, change = dice.choice(_MEANINGS)
    places = list(re.finditer(pattern, sdl))
    if not places:
        return sdl
    found = dice.choice(places)
    return sdl[: found.start()] + change(found, dice) + sdl[found.end() :]


def judge(subgraphs: list[Subgraph]) -> frozenset[str]:
    """The codes. Raises for what must not be: an exception, a code without meaning, a supergraph that can't be read."""
    made = compose(subgraphs)
    assert made.ok == (made.supergraph_sdl is not None)
    if made.supergraph_sdl is not None:
        read_supergraph(made.supergraph_sdl)
        assert made.supergraph is not None
        assert made.supergraph.api_schema.query_type is not None
    found = findings((*made.errors, *made.hints), subgraphs)
    text(found, colour=True)
    github(found)
    json.dumps(sarif(found))
    codes = frozenset(problem.code for problem in (*made.errors, *made.hints))
    assert codes <= ERRORS.keys() | HINTS.keys(), codes
    return codes


def run(seed: int, count: int) -> tuple[Counter[str], list[tuple[int, str, list[Subgraph]]]]:
    """Codes with how many mutants gave them ("ok": no error), and what was raised for which mutant."""
    seen: Counter[str] = Counter()
    raised = []
    for number, subgraphs in enumerate(mutants(seed, count)):
        try:
            codes = judge(subgraphs)
        except Exception:
            raised.append((number, traceback.format_exc(limit=-6), subgraphs))
            continue
        seen.update(codes)
        seen["ok"] += not codes & ERRORS.keys()
    return seen, raised


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    started = time.monotonic()
    seen, raised = run(chosen.seed, chosen.count)
    for code, number in sorted(seen.items()):
        print(f"{code:<58}{number:>8}")
    for number, trace, subgraphs in raised[:20]:
        print(f"--- mutant {number} of seed {chosen.seed}\n{trace}")
        for subgraph in subgraphs:
            print(f"# {subgraph.name}\n{subgraph.sdl!r}")
    print(f"{chosen.count} mutants of seed {chosen.seed} in {time.monotonic() - started:.0f} s, {len(raised)} raised")
    return 1 if raised else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
