"""A series and a horizon -> its next values, by several methods."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Method = Literal["naive", "drift", "seasonal_naive", "ridge"]
Forecaster = Callable[["NDArray[np.float64]", int], "NDArray[np.float64]"]

DESCRIPTIONS: dict[Method, str] = {
    "naive": "The last value goes on.",
    "drift": "The line from the first to the last value goes on.",
    "seasonal_naive": "The last season repeats.",
    "ridge": "Ridge regression on trend, harmonics of the season and past values.",
}


def forecasters(season: int) -> dict[Method, Forecaster]:
    """Simplest first: that order decides between methods that do about equally well."""
    methods: dict[Method, Forecaster] = {"naive": _naive, "drift": _drift}
    if season > 1:
        methods["seasonal_naive"] = lambda past, horizon: _seasonal_naive(past, horizon, season)
    methods["ridge"] = lambda past, horizon: _ridge(past, horizon, season)
    return methods


def _naive(past: NDArray[np.float64], horizon: int) -> NDArray[np.float64]:
    import numpy as np

    return np.full(horizon, past[-1])


def _drift(past: NDArray[np.float64], horizon: int) -> NDArray[np.float64]:
    import numpy as np

    slope = (past[-1] - past[0]) / (len(past) - 1)
    return np.asarray(past[-1] + slope * np.arange(1, horizon + 1), dtype=np.float64)


def _seasonal_naive(past: NDArray[np.float64], horizon: int, season: int) -> NDArray[np.float64]:
    import numpy as np

    return np.array([past[len(past) - season + step % season] for step in range(horizon)])


def _ridge(past: NDArray[np.float64], horizon: int, season: int) -> NDArray[np.float64]:
    """One step ahead from the recent past, the phase of the season and time; then again on its own answer."""
    import numpy as np
    from sklearn.linear_model import RidgeCV

    lags = [lag for lag in (1, 2, 3, season, season + 1) if 0 < lag <= len(past) // 3]
    lags = sorted(set(lags))
    middle, spread = float(past.mean()), float(past.std()) or 1.0
    scaled = (past - middle) / spread
    first = max(lags)
    rows = [[*(scaled[at - lag] for lag in lags), *_clock(at, season, len(past))] for at in range(first, len(past))]
    model = RidgeCV(alphas=np.logspace(-3, 3, 13)).fit(np.array(rows), scaled[first:])
    weights, intercept = model.coef_, float(model.intercept_)
    known = list(scaled)
    # Far outside of everything seen a recursion has run away; hold it at twice the range.
    low, high = float(scaled.min()), float(scaled.max())
    margin = high - low or 1.0
    for at in range(len(past), len(past) + horizon):
        row = np.array([*(known[at - lag] for lag in lags), *_clock(at, season, len(past))])
        known.append(min(max(float(row @ weights) + intercept, low - margin), high + margin))
    return np.array(known[len(past) :]) * spread + middle


def _clock(at: int, season: int, length: int) -> list[float]:
    """Time as a regression sees it: a slope, and up to four harmonics of the season."""
    features = [at / length]
    for harmonic in range(1, min(4, season // 2) + 1):
        angle = 2 * math.pi * harmonic * at / season
        features.append(math.sin(angle))
        if 2 * harmonic != season:  # the highest harmonic of an even season has no second wave
            features.append(math.cos(angle))
        else:
            features[-1] = math.cos(angle)
    return features
