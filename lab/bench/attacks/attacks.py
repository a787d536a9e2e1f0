"""The attacks, each named after its entry in docs/security: what is sent, once the platform has what it needs."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from lab.bench.attacks.platform import Answer, RunningPlatform

#: Seconds for which a byte now and then is sent to a connection that was answered.
_DRIP: Final = 20.0
_TYPED: Final = "__typename ... on Error { message }"
#: A refused input, with each value that was refused.
_REFUSED: Final = f"{_TYPED} ... on ValidationError {{ fields {{ path message }} }}"


@dataclass(frozen=True, slots=True)
class Attack:
    """`run` gives the answer, and how many bytes were sent."""

    entry: str
    name: str
    run: Callable[[RunningPlatform], tuple[Answer, int]]
    #: Who asks: a development account's role, or None.
    role: str | None = None


def query(entry: str, name: str, text: str, role: str | None = None, variables: Any = None) -> Attack:
    """One GraphQL request."""

    def run(platform: RunningPlatform) -> tuple[Answer, int]:
        return platform.post(text, variables), len(text) + (len(json.dumps(variables)) if variables else 0)

    return Attack(entry, name, run, role)


def multiplying(levels: int) -> str:
    """Introspection that multiplies by six a level."""
    inner = "name"
    for level in range(levels):
        inner = f"{'interfaces' if level % 2 else 'possibleTypes'}{{{inner}}}"
    return f'{{__type(name:"Error"){{{inner}}}}}'


def instances_in_instances(levels: int) -> str:
    """The owner's instances of the owner's instances."""
    inner = "owner{id}"
    for _ in range(levels):
        inner = f"owner{{instances(first:100){{nodes{{{inner}}}}}}}"
    return f"{{instances(first:100){{nodes{{{inner}}}}}}}"


def prepare(platform: RunningPlatform) -> None:
    """Sixty cancelled instances and five schedules of the development user."""
    platform.sign_in("user")
    templates = platform.data("{ templates(first: 50) { nodes { id } } }")["templates"]["nodes"]
    create = (
        "mutation ($i: CreateInstanceInput!) { createInstance(input: $i) "
        f"{{ {_TYPED} ... on CreateInstanceSuccess {{ instance {{ id }} }} }} }}"
    )
    template, made, until = 0, 0, time.monotonic() + 120
    while made < 60 and time.monotonic() < until:
        found = platform.data(create, {"i": {"templateId": templates[template]["id"]}})["createInstance"]
        if "instance" in found:
            made += 1
            platform.post(f"mutation {{ cancelInstance(id: {json.dumps(found['instance']['id'])}) {{ __typename }} }}")
        elif not made and template + 1 < len(templates):
            template += 1  # one that leaves a parameter to the client
        else:
            time.sleep(0.5)
    schedule = (
        "mutation ($i: CreateScheduleInput!) { createSchedule(input: $i) "
        f"{{ {_TYPED} ... on CreateScheduleSuccess {{ schedule {{ id }} }} }} }}"
    )
    for _ in range(5):
        platform.post(schedule, {"i": {"cron": "13 7 29 2 1", "templateId": templates[template]["id"], "name": "s"}})


def _agent(schema: dict[str, Any]) -> dict[str, Any]:
    slug = f"attack-{time.time_ns()}"
    return {"slug": slug, "name": "Attack", "workflow": "sentiment", "parametersSchema": schema}


_CREATE_AGENT: Final = (
    "mutation ($i: CreateAgentInput!) { createAgent(input: $i) "
    f"{{ {_REFUSED} ... on CreateAgentSuccess {{ agent {{ id }} }} }} }}"
)
_CREATE_TEMPLATE: Final = f"mutation ($i: CreateTemplateInput!) {{ createTemplate(input: $i) {{ {_REFUSED} }} }}"


def bomb(schema: dict[str, Any], parameters: dict[str, Any]) -> Callable[[RunningPlatform], tuple[Answer, int]]:
    """An agent with this schema, and a template whose parameters it checks."""

    def run(platform: RunningPlatform) -> tuple[Answer, int]:
        agent = {"i": _agent(schema)}
        answer = platform.post(_CREATE_AGENT, agent)
        size = len(json.dumps(agent))
        made = (answer.body.get("data") or {}).get("createAgent") or {}
        if "agent" not in made:
            return answer, size
        template = {"slug": f"t-{time.time_ns()}", "name": "T", "agentId": made["agent"]["id"]}
        template_input = {"i": template | {"parameters": parameters}}
        return platform.post(_CREATE_TEMPLATE, template_input), size + len(json.dumps(template_input))

    return run


def reference_bomb(levels: int) -> dict[str, Any]:
    """Definitions that each apply the next one twice."""
    definitions: dict[str, Any] = {f"d{levels}": {"type": "object"}}
    for level in range(levels):
        definitions[f"d{level}"] = {"allOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 2}
    return {"type": "object", "$ref": "#/$defs/d0", "$defs": definitions}


def growing_numbers(platform: RunningPlatform) -> tuple[Answer, int]:
    """Numbers of five characters that Postgres stores as 309 digits."""
    return bomb({"type": "object"}, {"n": [1e308] * 20_000})(platform)


def drip(platform: RunningPlatform) -> tuple[Answer, int]:
    """A body whose bytes come one by one after the answer; the outcome is after how long the connection was closed."""
    began, sent = time.perf_counter(), 0
    with socket.create_connection(("127.0.0.1", platform.port)) as connection:
        connection.sendall(b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        connection.settimeout(0.5)
        while time.perf_counter() - began < _DRIP:
            try:
                connection.sendall(b"x")
                sent += 1
                if connection.recv(65_536) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    seconds = time.perf_counter() - began
    outcome = f"still open after {_DRIP:g} s" if seconds >= _DRIP else f"closed after {seconds:.1f} s"
    return Answer(0, outcome, 0, seconds), sent


def distinct(platform: RunningPlatform, count: int = 1_500) -> tuple[Answer, int]:
    """Operations that differ in an alias; `lab bench soak` is the long form."""
    sent, answer = 0, Answer(0, "none", 0, 0.0)
    began = time.perf_counter()
    for number in range(count):
        text = f"{{agents(first:1){{nodes{{id x{number}:name}}}}}}"
        answer = platform.post(text)
        sent += len(text)
    answer.seconds = time.perf_counter() - began
    return answer, sent


def all_attacks() -> Iterator[Attack]:
    """In the order of the review."""
    for levels in (5, 7):
        yield query("V2", f"introspection, {levels} lists in lists", multiplying(levels))
    aliases = " ".join(f"a{n}:__schema{{types{{name fields{{name}}}}}}" for n in range(99))
    yield query("V2", "`__schema` under 99 aliases", f"{{{aliases}}}")
    for levels in (1, 2):
        yield query(
            "V3", f"60 instances of their owner, {levels} more level(s)", instances_in_instances(levels), "user"
        )
    upcoming = " ".join(f"a{n}:upcoming(first:50)" for n in range(40))
    yield query("V3", "`upcoming` under 40 aliases of 5 schedules", f"{{schedules{{nodes{{{upcoming}}}}}}}", "user")
    pattern = {"type": "object", "properties": {"t": {"type": "string", "pattern": "^(a+)+$"}}}
    yield Attack("V6", "`^(a+)+$` and 27 letters", bomb(pattern, {"t": "a" * 26 + "b"}), "admin")
    yield Attack("V6", "`$ref` twice, 19 levels", bomb(reference_bomb(19), {}), "admin")
    yield Attack("V7", "20,000 times 1e308", growing_numbers, "admin")
    yield Attack("V8", "a body that drips after the answer", drip)
    yield Attack("V11", "1,500 distinct operations", distinct)
