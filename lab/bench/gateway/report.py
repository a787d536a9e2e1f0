"""Results -> Markdown: the headline's table, the other workloads' table, the goals and whether they are met."""

import os
import platform
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from lab.bench.gateway.figures import Results, Series, ratio
from lab.bench.gateway.gateways import ALL, OURS
from lab.bench.gateway.graphs import public
from lab.bench.gateway.workloads import workloads

#: The gateways' names for people.
TITLES = {
    OURS: "**Botberi**",
    "hive-router": "Hive Router (Rust)",
    "hive-gateway-rt": "Hive Gateway, Rust planner",
    "mercurius": "Mercurius",
    "apollo-gateway": "Apollo Gateway",
    "hive-gateway": "Hive Gateway",
}
NODE = ("hive-gateway-rt", "mercurius", "apollo-gateway", "hive-gateway")


def machine() -> str:
    """Machine of the measurement, and how busy it was."""
    model = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    return f"{os.cpu_count()} cores ({model}), load {os.getloadavg()[0]:.1f} at the end"


def headline(results: Results) -> Iterator[str]:
    """One table for each of the public benchmark's queries."""
    for query in public.QUERIES:
        gateways = results.series.get(query)
        if not gateways:
            continue
        yield f"**{query}**"
        yield ""
        yield (
            "| gateway | CPU ms a request | lowest to highest | ÷ ours | p50 ms | p95 | p99 | memory MB "
            "| cold start s | calls |"
        )
        yield "|---|---|---|---|---|---|---|---|---|---|"
        for name in _ordered(gateways):
            yield _row(name, gateways[name], gateways.get(OURS), results)
        yield ""


def others(results: Results) -> Iterator[str]:
    """CPU of each gateway on the further workloads, and its multiple of ours."""
    measured = {name: one for name, one in workloads().items() if name in results.series and not one.is_headline}
    names = [name for name in TITLES if any(name in results.series[workload] for workload in measured)]
    yield "| workload | " + " | ".join(TITLES[name] for name in names) + " |"
    yield "|---|" + "---|" * len(names)
    for workload, one in measured.items():
        gateways = results.series[workload]
        cells = [_cell(gateways.get(name), gateways.get(OURS), name) for name in names]
        yield f"| {one.title} | " + " | ".join(cells) + " |"


def goals(results: Results) -> Iterator[str]:
    """Each goal, what was seen, and whether that is enough; goals whose peer wasn't measured are left out."""
    for query, most in (("large", 1.0), ("medium", 1.5), ("small", 1.5)):
        yield from _goal(results, query, "hive-router", most)
    yield from _goal(results, "large", "apollo-gateway", 1 / 15)
    for query in ("medium", "small"):
        for name in NODE:
            yield from _goal(results, query, name, 1.0)
    large = results.series.get("large", {})
    ours, router = large.get(OURS), large.get("hive-router")
    if ours and ours.samples and router and router.samples:
        seen = ours.spread("p95_ms").median / router.spread("p95_ms").median
        yield _verdict("large: p95 at most 1.2 × Hive Router's", f"{seen:.2f} ×", seen <= 1.2)
    if ours and ours.samples:
        yield _verdict("memory below 150 MB", f"{ours.rss_mb:.0f} MB", ours.rss_mb < 150)
    if cold := results.cold.get(OURS):
        yield _verdict("cold start under 1 s", f"{median(cold):.2f} s", median(cold) < 1)


def _goal(results: Results, query: str, peer: str, most: float) -> Iterator[str]:
    gateways = results.series.get(query, {})
    if OURS not in gateways or peer not in gateways:
        return
    seen = ratio(gateways[OURS], gateways[peer])
    if seen is not None:
        what = "1/15" if most < 0.1 else f"{most:.1f}"
        shown = f"{seen.median:.3f} × ({seen.lowest:.3f} to {seen.highest:.3f})"
        yield _verdict(f"{query}: CPU at most {what} × {_plain(peer)}'s", shown, seen.median <= most)


def _verdict(goal: str, seen: str, met: bool) -> str:
    return f"- {'met' if met else '**not met**'}: {goal}: {seen}"


def _ordered(gateways: dict[str, Series]) -> list[str]:
    """Ours first, then by CPU; with deduplication at the end; those that failed last."""

    def key(name: str) -> tuple[bool, bool, bool, float]:
        one = gateways[name]
        return (not one.samples, "+" in name, name != OURS, one.spread("cpu_ms").median if one.samples else 0.0)

    return sorted(gateways, key=key)


def _row(name: str, series: Series, ours: Series | None, results: Results) -> str:
    title = _title(name)
    if not series.samples:
        return f"| {title} | fails: {_short(series.wrong)} | | | | | | | | |"
    cpu = series.spread("cpu_ms")
    # With deduplication the comparison is with ours without it; the table says so by its order.
    times = ratio(series, ours) if ours is not None and series is not ours else None
    shown = f"{times.median:.2f} ({times.lowest:.2f} to {times.highest:.2f})" if times else "1"
    cold = results.cold.get(name)
    figures = [
        _number(cpu.median),
        f"{_number(cpu.lowest)} to {_number(cpu.highest)}",
        shown,
        *(f"{series.spread(f'{quantile}_ms').median:.1f}" for quantile in ("p50", "p95", "p99")),
        f"{series.rss_mb:.0f}",
        f"{median(cold):.2f}" if cold else "",
        f"{series.spread('calls').median:.1f}",
    ]
    mark = " (wrong answers under load)" if series.wrong else ""
    return f"| {title}{mark} | " + " | ".join(figures) + " |"


def _cell(series: Series | None, ours: Series | None, name: str) -> str:
    if series is None:
        return ""
    if not series.samples or series.wrong:
        return "fails"
    cpu = _number(series.spread("cpu_ms").median)
    times = ratio(series, ours) if ours is not None and name != OURS else None
    return f"{cpu} ({times.median:.1f})" if times else cpu


def _title(name: str) -> str:
    plain, _, dedupe = name.partition("+")
    return f"{TITLES[plain]} + deduplication" if dedupe else TITLES[plain]


def _plain(name: str) -> str:
    return TITLES[name].replace("*", "")


def versions(names: list[str]) -> str:
    """Versions of the measured gateways."""
    return "; ".join(f"{_plain(name)} {ALL[name].version}" for name in names)


def _number(figure: float) -> str:
    return f"{figure:.3f}" if figure < 1 else f"{figure:.2f}" if figure < 10 else f"{figure:.1f}"


def _short(text: str) -> str:
    return " ".join(text.split()).replace("|", "/")[:80]


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
