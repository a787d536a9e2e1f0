"""The options of `lab bench attacks` -> the attacks' table, as Markdown."""

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from lab.bench.peers import PeersMissing

_HEAD: Final = (
    "| entry | attack | sent | longest turn | longest stall | memory, at most | answer |",
    "| --- | --- | ---: | ---: | ---: | ---: | --- |",
)


def attacks(
    checkout: Annotated[
        Path, typer.Option(help="Another checkout, with its own .venv, whose platform is attacked.")
    ] = Path(),
    only: Annotated[str, typer.Option(help="Entries to run, such as V2,V3; all without.")] = "",
    stacks: Annotated[
        Path | None, typer.Option(help="A file for what the event loop was doing in turns above 30 ms.")
    ] = None,
    write: Annotated[Path | None, typer.Option(help="A file for the table, beside standard output.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Rows as JSON.")] = False,
) -> None:
    """Attack a platform that is started for it: the longest stall of everybody else, the memory, the answer."""
    from lab.bench.attacks.platform import NotStarted, running

    chosen = {name.strip().upper() for name in only.split(",") if name.strip()}
    rows = []
    try:
        with running(checkout.resolve(), stacks and stacks.resolve()) as platform:
            if not as_json:
                typer.echo("\n".join(_HEAD))
            for row in _rows(platform, chosen):
                rows.append(row)
                if not as_json:
                    typer.echo(_line(row))
    except (NotStarted, FileNotFoundError) as error:
        raise PeersMissing(f"the platform of {checkout.resolve().name} did not start: {error}") from None
    text = json.dumps(rows, indent=2) if as_json else "\n".join((*_HEAD, *map(_line, rows)))
    if as_json:
        typer.echo(text)
    if write is not None:
        write.write_text(text + "\n")


def _rows(platform: Any, chosen: set[str]) -> Any:
    from lab.bench.attacks.attacks import all_attacks, prepare
    from lab.bench.attacks.probe import watched

    if not chosen or "V3" in chosen:
        prepare(platform)
    for attack in all_attacks():
        if chosen and attack.entry not in chosen:
            continue
        platform.token = None
        if attack.role is not None:
            platform.sign_in(attack.role)
        before = platform.resident()
        platform.forget_peak()
        with watched(platform.port) as stalls:
            answer, sent = attack.run(platform)
        yield {
            "entry": attack.entry,
            "attack": attack.name,
            "sent": sent,
            "turn_ms": round(platform.longest_turn() * 1_000),
            "stall_ms": round(stalls.longest * 1_000),
            "usual_ms": round(stalls.usual * 1_000, 1),
            "memory_mb": round(platform.resident(peak=True) - before),
            "resident_mb": round(platform.resident()),
            "answer": answer.outcome,
            "bytes": answer.size,
            "seconds": round(answer.seconds, 2),
        }


def _line(row: dict[str, Any]) -> str:
    return (
        f"| {row['entry']} | {row['attack']} | {row['sent']:,} B | {row['turn_ms']:,} ms | {row['stall_ms']:,} ms "
        f"| +{row['memory_mb']} MB | "
        f"{row['answer']}, {row['bytes']:,} B, {row['seconds']:g} s |"
    )
