"""The options of `lab bench subscriptions` -> its scenarios, as tables or JSON."""

import json
from typing import Annotated, Any

import typer

#: Subscriptions of one socket, where many share it.
_PER_SOCKET = 10


def subscriptions(
    quick: Annotated[
        bool, typer.Option("--quick", help="Small numbers, within a minute and without the platform.")
    ] = False,
    sockets: Annotated[int, typer.Option(min=1, help="Idle sockets of one process.")] = 10_000,
    busy: Annotated[int, typer.Option(min=1, help="Sockets with an update a second each.")] = 2_000,
    equal: Annotated[int, typer.Option(min=1, help="Equal subscriptions, against one.")] = 1_000,
    seconds: Annotated[float, typer.Option(min=1, help="How long each scenario runs.")] = 20.0,
    changes: Annotated[
        float, typer.Option(min=0, help="Changes a second on the whole platform; 0: leave that out.")
    ] = 100.0,
    buses: Annotated[
        str,
        typer.Option(help="The platform's buses, such as memory,rabbitmq (a node of its own, or BOTBERI_AMQP_URL)."),
    ] = "memory,rabbitmq",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object of all rows.")] = False,
) -> None:
    """Measure subscriptions: sockets one process holds, what an update costs, how late a committed change comes."""
    import uvloop

    from lab.bench.subscriptions import latency, scenarios, server

    most = server.raise_limit() - 500
    if quick:
        sockets, busy, equal, seconds, changes = 300, 100, 100, 4.0, 0.0
    sockets, busy, equal = (min(wanted, most) for wanted in (sockets, busy, equal))
    found: dict[str, dict[str, Any]] = {
        "idle": uvloop.run(scenarios.idle(sockets, seconds)),
        "many": uvloop.run(scenarios.idle(sockets // _PER_SOCKET, seconds, each=_PER_SOCKET)),
        "busy": uvloop.run(scenarios.busy(busy, seconds)),
        "one": uvloop.run(scenarios.busy(1, seconds, equal=True, per_second=10)),
        "equal": uvloop.run(scenarios.busy(equal, seconds, equal=True, per_second=10)),
    }
    found["equal"] |= {
        "cost_against_one": round(found["equal"]["cpu_ms_per_event"] / found["one"]["cpu_ms_per_event"], 1)
    }
    for bus in buses.split(",") if changes else ():
        found[f"platform, {bus}"] = latency.measure(changes, seconds, bus)
    if as_json:
        typer.echo(json.dumps(found))
        return
    for name, row in found.items():
        typer.echo(f"{name:19}" + "  ".join(f"{key} {value}" for key, value in row.items()))
