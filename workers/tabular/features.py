"""Typed columns -> a matrix without gaps, scaled so that no column shouts, and the way back to the columns."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.tabular.columns import Column
from workers.workflow import WorkflowInputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Over this skew one long tail decides every distance; the logarithm gives the rest of the column its say back.
SKEW_FOR_LOG = 2.0
# A number further out than this many standard deviations counts as that far: it is an outlier either way.
CLIP = 8.0


@dataclass(frozen=True, slots=True)
class Features:
    """`matrix[row, i]` belongs to `columns[owner[i]]`; `level[i]` is the category value it stands for.

    `unclipped` is the matrix with wild values as far out as they really are.
    """

    matrix: NDArray[np.float64]
    unclipped: NDArray[np.float64]
    columns: list[Column]
    owner: list[int]
    level: list[str | None]
    notes: list[str]

    def of_column(self, place: int) -> list[int]:
        """The features that the column became."""
        return [index for index, owner in enumerate(self.owner) if owner == place]


def build_features(columns: Sequence[Column]) -> Features:
    """Missing numbers become the median, missing categories their own value; categories one-hot."""
    import numpy as np

    usable = [column for column in columns if column.usable]
    if not usable:
        reasons = "; ".join(f"{column.name}: {column.note}" for column in columns)
        raise WorkflowInputError("NO_USABLE_COLUMNS", f"No column can be computed with. {reasons}"[:1000])
    vectors: list[NDArray[np.float64]] = []
    owner: list[int] = []
    levels: list[str | None] = []
    notes: list[str] = []
    for place, column in enumerate(usable):
        if column.numbers is not None:
            vectors.append(_scaled(column, notes))
            owner.append(place)
            levels.append(None)
            continue
        for level, vector in _one_hot(column):
            vectors.append(vector)
            owner.append(place)
            levels.append(level)
    unclipped = np.column_stack(vectors)
    matrix = np.clip(unclipped, -CLIP, CLIP)
    return Features(matrix=matrix, unclipped=unclipped, columns=usable, owner=owner, level=levels, notes=notes)


def filled(column: Column) -> NDArray[np.float64]:
    """The numbers of a column, its gaps filled with the median."""
    import numpy as np

    values = np.array([math.nan if value is None else value for value in column.numbers or ()], dtype=np.float64)
    values[np.isnan(values)] = float(np.nanmedian(values))
    return values


def _scaled(column: Column, notes: list[str]) -> NDArray[np.float64]:
    import numpy as np

    values = filled(column)
    if column.missing:
        notes.append(f"{column.name}: {column.missing} missing values are taken as the median.")
    if column.kind == "number" and float(values.min()) >= 0 and _skew(_core(values)) > SKEW_FOR_LOG:
        values = np.log1p(values)
        notes.append(f"{column.name}: a long tail, so it is compared by its logarithm.")
    core = _core(values)
    spread = float(core.std())
    if not math.isfinite(spread) or spread == 0:
        core, spread = values, float(values.std())
    if not math.isfinite(spread) or spread == 0:
        return np.zeros_like(values)
    return np.asarray((values - core.mean()) / spread, dtype=np.float64)


def _core(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values without the outermost 2 % at either end: one wild value shall not set the scale."""
    import numpy as np

    cut = max(1, round(0.02 * len(values))) if len(values) >= 8 else 0
    return np.sort(values)[cut : len(values) - cut]


def _skew(values: NDArray[np.float64]) -> float:
    import numpy as np

    spread = float(values.std())
    if not math.isfinite(spread) or spread == 0:
        return 0.0
    return float(np.mean(((values - values.mean()) / spread) ** 3))


def _one_hot(column: Column) -> list[tuple[str, NDArray[np.float64]]]:
    """One feature a level, scaled so that two rows of different levels are as far apart as sqrt(2) deviations."""
    import numpy as np

    values = [level if level is not None else "(missing)" for level in column.levels or ()]
    counts = Counter(values)
    return [
        (level, np.array([value == level for value in values], dtype=np.float64))
        for level, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
