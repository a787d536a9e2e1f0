"""Samples of rounds -> median, spread, ratio; and the JSON of a whole run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from lab.bench.gateway.running import Sample

_FIGURES = ("cpu_ms", "p50_ms", "p95_ms", "p99_ms", "rss_mb", "cold_start_s", "subgraph_calls")


@dataclass(frozen=True)
class Spread:
    """A figure over rounds."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> "Spread":
        return cls(median(figures), min(figures), max(figures))


@dataclass
class Series:
    """One gateway on one workload; `wrong` says why there are no samples."""

    samples: list[Sample] = field(default_factory=list)
    rss_mb: float = 0.0
    wrong: str = ""

    def spread(self, figure: str) -> Spread:
        """Spread of one of a sample's fields."""
        return Spread.of([getattr(one, figure) for one in self.samples])


def ratio(series: Series, base: Series) -> Spread | None:
    """CPU per request as a multiple of `base`'s, taken round by round: neighbours on the machine disturb both alike."""
    pairs = [(one.cpu_ms, other.cpu_ms) for one, other in zip(series.samples, base.samples, strict=False)]
    return Spread.of([one / other for one, other in pairs]) if pairs else None


@dataclass
class Results:
    """`series[workload][gateway]`; `cold[gateway]` seconds from start to first answer, on the public graph."""

    series: dict[str, dict[str, Series]] = field(default_factory=dict)
    cold: dict[str, list[float]] = field(default_factory=dict)

    def of(self, workload: str, gateway: str) -> Series:
        """Made empty where it isn't yet."""
        return self.series.setdefault(workload, {}).setdefault(gateway, Series())

    def as_json(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Workload -> gateway -> figures; where a gateway can't do a workload they are null and `wrong` says why."""
        return {
            workload: {gateway: self._figures(gateway, one) for gateway, one in gateways.items()}
            for workload, gateways in self.series.items()
        }

    def _figures(self, gateway: str, series: Series) -> dict[str, Any]:
        if not series.samples:
            return {**dict.fromkeys(_FIGURES), "wrong": series.wrong or "not measured"}
        cpu = series.spread("cpu_ms")
        cold = self.cold.get(gateway)
        return {
            "cpu_ms": round(cpu.median, 4),
            "p50_ms": round(series.spread("p50_ms").median, 3),
            "p95_ms": round(series.spread("p95_ms").median, 3),
            "p99_ms": round(series.spread("p99_ms").median, 3),
            "rss_mb": round(series.rss_mb, 1),
            "cold_start_s": round(median(cold), 3) if cold else None,
            "subgraph_calls": round(series.spread("calls").median, 2),
            "cpu_ms_lowest": round(cpu.lowest, 4),
            "cpu_ms_highest": round(cpu.highest, 4),
            "requests": sum(one.requests for one in series.samples),
            "failures": sum(one.failures for one in series.samples),
            **({"wrong": series.wrong} if series.wrong else {}),
        }
