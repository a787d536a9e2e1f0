"""Methods and a series -> their errors on its past, and the intervals that follow from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.series.methods import Forecaster, Method
from workers.workflow import RunContext

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# So many times the past is cut short and forecast; more folds tell little more and cost as much.
MAX_FOLDS = 10
# No method is asked about less than this.
SHORTEST = 8


@dataclass(frozen=True, slots=True)
class Errors:
    """`signed[fold][step]`: what came minus what was forecast; `percent` likewise for sMAPE."""

    signed: list[NDArray[np.float64]]
    percent: list[NDArray[np.float64]]


def back_test(
    values: NDArray[np.float64],
    methods: dict[Method, Forecaster],
    horizon: int,
    season: int,
    context: RunContext,
) -> dict[Method, Errors]:
    """Rolling origin: each method forecasts stretches of the past from what came before them."""
    import numpy as np

    # A method has to see two seasons, and half of the series, before it is asked.
    earliest = max(SHORTEST, len(values) // 2, min(2 * season, len(values) - horizon - 1))
    origins = sorted({int(at) for at in np.linspace(earliest, len(values) - horizon, MAX_FOLDS) if at >= earliest})
    if not origins:
        origins = [len(values) - horizon]
    errors = {name: Errors([], []) for name in methods}
    for done, origin in enumerate(origins):
        actual = values[origin : origin + horizon]
        for name, method in methods.items():
            context.check_cancelled()
            predicted = method(values[:origin], horizon)
            size = np.abs(actual) + np.abs(predicted)
            errors[name].signed.append(actual - predicted)
            errors[name].percent.append(200 * np.abs(actual - predicted) / np.where(size > 0, size, 1.0))
        context.progress(0.15 + 0.65 * (done + 1) / len(origins), f"Back-test {done + 1} of {len(origins)}")
    return errors


def half_widths(signed: list[NDArray[np.float64]], horizon: int, interval: float) -> list[float]:
    """The quantile of past errors around each step; beyond the tested steps it grows with the square root of time."""
    import numpy as np

    absolute = np.abs(np.array(signed))
    tested = absolute.shape[1]
    widths: list[float] = []
    for step in range(min(horizon, tested)):
        pooled = np.sort(absolute[:, max(0, step - 3) : step + 4].ravel())
        # Conformal: with n errors the (n + 1) * interval-th is what covers a new one.
        rank = min(len(pooled), math.ceil((len(pooled) + 1) * interval))
        widths.append(float(pooled[rank - 1]))
    widths = list(np.maximum.accumulate(widths))  # the further ahead, the less is known
    last = widths[-1]
    widths += [last * math.sqrt((step + 1) / tested) for step in range(tested, horizon)]
    return [float(width) for width in widths]


def coverage(signed: list[NDArray[np.float64]], interval: float) -> float:
    """Each fold judged by the intervals that the other folds give."""
    import numpy as np

    if len(signed) < 2:
        return interval
    held = []
    for place, fold in enumerate(signed):
        widths = half_widths([other for index, other in enumerate(signed) if index != place], len(fold), interval)
        held.append(np.abs(fold) <= np.array(widths) + 1e-12)
    return float(np.mean(np.concatenate(held)))
