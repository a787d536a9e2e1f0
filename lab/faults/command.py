"""`lab faults`: the run, its report as a table, and the exit code; what was violated is kept."""

import asyncio
import json
import logging
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from lab.faults import rabbitmq
from lab.faults.checker import count
from lab.faults.run import Options, Outcome, run_with_faults
from lab.faults.schedule import DISTURBANCES, KILLS

_SHOWN: Final = 30


def run(options: Options, keep: Path | None, *, as_json: bool) -> int:
    """Print the report; 0 when nothing was violated, 1 when something was, 2 when it can't be run here."""
    if options.bus == "memory" and options.points:
        print("lab faults: kill points are tried on RabbitMQ; leave out --points or --bus memory", file=sys.stderr)
        return 2
    if options.bus == "rabbitmq" and not rabbitmq.installed():
        print("lab faults: RabbitMQ is not installed (apt-get install rabbitmq-server)", file=sys.stderr)
        return 2
    # A broker that is down is no news here.
    logging.disable(logging.ERROR)
    folder = Path(tempfile.mkdtemp(prefix=f"botberi-faults-{options.seed}-", dir="/tmp"))
    try:
        outcome = asyncio.run(_until_stopped(options, folder))
    except asyncio.CancelledError:
        shutil.rmtree(folder, ignore_errors=True)
        print("lab faults: stopped; nothing was checked", file=sys.stderr)
        return 130
    print(report(outcome))
    if outcome.violations or keep is not None:
        kept = keep or Path.cwd() / f"faults-seed-{options.seed}-{int(time.time())}"
        keep_trace(outcome, folder, kept)
        print(f"\nTrace and logs are kept in {kept}.")
    shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        print(json.dumps(summary(outcome)), flush=True)
    return 1 if outcome.violations else 0


async def _until_stopped(options: Options, folder: Path) -> Outcome:
    """Run; SIGINT or SIGTERM ends servers and services before this process."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await run_with_faults(options, folder, lambda line: print(line, file=sys.stderr, flush=True))


def summary(outcome: Outcome) -> dict[str, int]:
    """The last line of `--json`."""
    kinds = count(outcome.violations)
    return {
        "runs": outcome.runs,
        "kills": outcome.kills,
        "violations": len(outcome.violations),
        "lost": kinds["lost"],
        "stuck": kinds["stuck"],
        "double_terminal": kinds["double_terminal"],
    }


def keep_trace(outcome: Outcome, folder: Path, kept: Path) -> None:
    """Copy what explains a violation: the trace, the logs, and the violations themselves."""
    kept.mkdir(parents=True, exist_ok=True)
    shutil.copytree(folder / "logs", kept / "logs", dirs_exist_ok=True)
    shutil.copy(folder / "trace.jsonl", kept)
    lines = [f"{one.kind}\t{one.subject}\t{one.text}\n" for one in outcome.violations]
    (kept / "violations.tsv").write_text("".join(lines))
    (kept / "report.md").write_text(report(outcome) + "\n")


def report(outcome: Outcome) -> str:
    """The run in tables, as Markdown."""
    options, kinds = outcome.options, count(outcome.violations)
    disturbances = DISTURBANCES[options.bus]
    given = f"--runs {options.runs} --kills {options.kills} --seed {options.seed}"
    if options.points:
        given += f" --points {options.points}"
    if options.bus != "rabbitmq":
        given += f" --bus {options.bus}"
    lines = [f"`lab faults {given}`: {outcome.seconds:.0f} s", "", "| what | count |", "|---|---:|"]
    lines.append(f"| instances | {outcome.runs} |")
    lines += [f"| … {status} | {number} |" for status, number in sorted(outcome.statuses.items())]
    lines.append(f"| kills | {outcome.kills} |")
    lines += [f"| … {kind} | {outcome.struck[kind]} |" for kind in KILLS[options.bus] if outcome.struck[kind]]
    if options.points:
        lines.append(f"| … at kill points | {sum(outcome.points.values())} |")
    lines.append(f"| disturbances | {sum(outcome.struck[kind] for kind in disturbances)} |")
    lines += [f"| … {kind} | {outcome.struck[kind]} |" for kind in disturbances if outcome.struck[kind]]
    lines += [f"| {name} | {number} |" for name, number in outcome.counts.items()]
    lines.append(f"| **violations** | **{len(outcome.violations)}** |")
    lines += [f"| … {kind} | {number} |" for kind, number in sorted(kinds.items())]
    lines += ["", "| ended as | attempt | code | runs | median | p99 | longest |", "|---|---:|---|---:|---:|---:|---:|"]
    for one in outcome.endings:
        times = " | ".join(
            f"{one[name]:.1f} s" if one[name] is not None else "" for name in ("median", "p99", "longest")
        )
        lines.append(f"| {one['status']} | {one['attempt']} | {one['error']} | {one['runs']} | {times} |")
    if options.points:
        lines += ["", "| kill point | times |", "|---|---:|"]
        lines += [f"| `{name}` | {number} |" for name, number in outcome.points.items()]
    if outcome.violations:
        lines += ["", *(f"- {one.kind}: {one.subject}: {one.text}" for one in outcome.violations[:_SHOWN])]
        if len(outcome.violations) > _SHOWN:
            lines.append(f"- and {len(outcome.violations) - _SHOWN} more")
    return "\n".join(lines)
