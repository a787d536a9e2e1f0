"""A series -> the length of its season, and how much of the series it explains."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def find_season(values: NDArray[np.float64], usual: int) -> int:
    """The lag at which the series without its trend repeats itself best; 1 if it doesn't.

    `usual` (12 for months) wins over other lags when the series repeats itself there too.
    """
    import numpy as np

    steps = np.arange(len(values))
    rest = values - np.polyval(np.polyfit(steps, values, 2), steps)
    power = float(rest @ rest)
    longest = min(len(values) // 2, 400)
    if power <= 1e-12 * max(1.0, float(values @ values)) or longest < 2:
        return 1
    lags = range(2, longest + 1)
    correlation = {lag: float(rest[lag:] @ rest[:-lag]) / power * len(rest) / (len(rest) - lag) for lag in lags}
    # Bartlett's bound for white noise, and a floor under which a season isn't worth modelling.
    bar = max(2.5 / math.sqrt(len(values)), 0.3)
    peaks = [
        lag
        for lag in lags
        if correlation[lag] >= bar
        and correlation[lag] >= correlation.get(lag - 1, 0.0)
        and correlation[lag] >= correlation.get(lag + 1, -1.0)
        and lag > 2
    ]
    if usual in peaks:
        return usual
    if not peaks:
        return 1
    # Twice the season correlates as well as the season: take the shortest of the nearly best.
    top = max(correlation[lag] for lag in peaks)
    return min(lag for lag in peaks if correlation[lag] >= 0.9 * top)


def season_strength(values: NDArray[np.float64], length: int) -> float:
    """The share of the variation around the trend that a season of this length explains."""
    import numpy as np

    if length < 2:
        return 0.0
    steps = np.arange(len(values))
    rest = values - np.polyval(np.polyfit(steps, values, 1), steps)
    means = np.array([rest[phase::length].mean() for phase in range(length)])
    total = float(np.var(rest))
    return max(0.0, 1.0 - float(np.var(rest - means[steps % length])) / total) if total > 0 else 0.0
