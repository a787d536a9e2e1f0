"""A submitted table -> the rows that don't fit, each with the reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from workers.tabular.columns import Column, Kind, understand
from workers.tabular.csvtext import CONTENT_TYPE, csv_text
from workers.tabular.features import Features, build_features
from workers.tabular.table import Cell, Table, TableInput, read_table
from workers.workflow import File, FunctionWorkflow, RunContext, Template

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_ROWS = 12
TREES = 200
# Rows explained one by one: each takes as many forest look-ups as there are columns.
MAX_ANOMALIES = 200
# The median absolute deviation of normal data is this part of its standard deviation.
MAD_TO_DEVIATION = 1.4826


@dataclass(frozen=True, slots=True)
class _Sensitivity:
    """`deviations`: robust z of one value; `forest`: the forest's score over the usual, in robust deviations."""

    deviations: float
    forest: float
    rare: float


SENSITIVITIES = {
    "low": _Sensitivity(deviations=8.0, forest=6.0, rare=0.002),
    "normal": _Sensitivity(deviations=6.0, forest=4.5, rare=0.005),
    "high": _Sensitivity(deviations=4.5, forest=3.5, rare=0.01),
}


class TabularAnomalyInput(TableInput):
    """The table, and how readily a row is called an anomaly."""

    model_config = ConfigDict(title="Table anomalies")

    sensitivity: Literal["low", "normal", "high"] = Field(
        default="normal", title="Sensitivity", description="How readily a row is called an anomaly."
    )
    expected_share: Annotated[float, Field(gt=0, le=0.5)] | SkipJsonSchema[None] = Field(
        default=None,
        title="Expected share",
        description="Take exactly this share of rows, the strangest first; leave it out to decide by sensitivity.",
    )
    max_anomalies: int = Field(
        default=25, title="Most anomalies", description="List up to this many.", ge=1, le=MAX_ANOMALIES
    )


class Reason(BaseModel):
    column: str
    kind: Literal["far_from_typical", "rare_value", "unusual_combination", "missing_value"]
    text: str
    weight: float = Field(description="Share of this reason in the row's strangeness, 0 to 1.")
    robust_z: float | None = Field(description="Distance from the median in robust deviations; numbers only.")


class Anomaly(BaseModel):
    row: int
    label: str
    score: float = Field(description="0 to 1: share of rows that are less unusual, weighed by how far it is out.")
    forest_score: float = Field(description="Isolation forest: about 0.5 is usual, near 1 is isolated at once.")
    reasons: list[Reason]
    values: dict[str, Cell]


class ColumnProfile(BaseModel):
    name: str
    kind: Kind
    used: bool
    missing: int
    distinct: int
    typical: str | None = Field(description="Median, or the commonest value.")
    typical_range: str | None = Field(description="Where the middle 90 % of the rows are.")
    anomalies: int = Field(description="Listed anomalies for which this column is a reason.")
    note: str | None


class TabularAnomalyOutput(BaseModel):
    summary: str
    rows: int
    anomaly_count: int
    anomaly_share: float
    threshold: float = Field(
        description="Strangeness from which a row counts as an anomaly (1 by definition, or the share's)."
    )
    anomalies: list[Anomaly]
    columns: list[ColumnProfile]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class _Scores:
    """`unusual` is 1 where a row just counts as an anomaly; `deviations[row, column]` is the robust z."""

    unusual: NDArray[np.float64]
    forest: NDArray[np.float64]
    deviations: NDArray[np.float64]
    model: Any
    usual: float
    spread: float


def run(inputs: TabularAnomalyInput, context: RunContext) -> TabularAnomalyOutput:
    import numpy as np

    context.progress(0.02, "Reading the table")
    table = read_table(inputs, min_rows=MIN_ROWS)
    columns = understand(table)
    context.progress(0.1, "Scaling columns and filling gaps")
    features = build_features(columns)
    context.progress(0.2, "Growing the isolation forest")
    scores = _score(features, inputs, context)
    context.progress(0.65, "Choosing the anomalies")
    order = np.lexsort((np.arange(table.row_count), -scores.unusual))
    if inputs.expected_share is not None:
        count = max(1, round(inputs.expected_share * table.row_count))
        threshold = float(scores.unusual[order[count - 1]])
    else:
        count, threshold = int((scores.unusual >= 1.0).sum()), 1.0
    chosen = [int(row) for row in order[: min(count, inputs.max_anomalies)]]
    anomalies = []
    for done, row in enumerate(chosen):
        context.progress(0.65 + 0.3 * done / len(chosen), f"Explaining {done + 1} of {len(chosen)} anomalies")
        anomalies.append(_explain(row, table, features, scores))
    return TabularAnomalyOutput(
        summary=_summary(table.row_count, count, anomalies),
        rows=table.row_count,
        anomaly_count=count,
        anomaly_share=round(count / table.row_count, 6),
        threshold=round(threshold, 4),
        anomalies=anomalies,
        columns=[_profile(column, anomalies) for column in columns],
        notes=_notes(features, count, len(anomalies)),
    )


def files(inputs: TabularAnomalyInput, output: TabularAnomalyOutput) -> Sequence[File]:
    """The anomalies with their scores and reasons, the strangest first."""
    names = list(output.anomalies[0].values) if output.anomalies else []
    rows = (
        (
            anomaly.row,
            anomaly.label,
            anomaly.score,
            "; ".join(reason.text for reason in anomaly.reasons),
            *anomaly.values.values(),
        )
        for anomaly in output.anomalies
    )
    return (File("anomalies.csv", csv_text(("row", "label", "score", "reasons", *names), rows), CONTENT_TYPE),)


def _score(features: Features, inputs: TabularAnomalyInput, context: RunContext) -> _Scores:
    """Two witnesses: the forest sees odd combinations, the robust z sees one value far out; the louder counts."""
    import numpy as np
    from sklearn.ensemble import IsolationForest

    bar = SENSITIVITIES[inputs.sensitivity]
    model = IsolationForest(n_estimators=TREES, random_state=inputs.seed, max_samples=min(256, len(features.matrix)))
    model.fit(features.matrix)
    context.progress(0.5, "Scoring each row")
    forest = -model.score_samples(features.matrix)
    usual = float(np.median(forest))
    spread = max(MAD_TO_DEVIATION * float(np.median(np.abs(forest - usual))), 0.01)
    deviations = _deviations(features, bar)
    by_forest = (forest - usual) / spread / bar.forest
    by_value = deviations.max(axis=1) / bar.deviations
    # The forest alone may not call a row unusual that it finds hardly more isolated than an average one.
    by_forest[forest < 0.5] = np.minimum(by_forest[forest < 0.5], 0.99)
    return _Scores(np.maximum(by_forest, by_value), forest, deviations, model, usual, spread)


def _deviations(features: Features, bar: _Sensitivity) -> NDArray[np.float64]:
    """Robust z of every number; of a category the bar itself when its value is rarer than the sensitivity allows."""
    import numpy as np

    result = np.zeros((len(features.matrix), len(features.columns)))
    for place, column in enumerate(features.columns):
        if column.numbers is not None and column.kind != "boolean":
            values = features.unclipped[:, features.of_column(place)[0]]
            middle = np.median(values)
            deviation = MAD_TO_DEVIATION * float(np.median(np.abs(values - middle)))
            if deviation == 0:  # over half of the values are the same: the mean deviation still says how far
                deviation = 1.2533 * float(np.mean(np.abs(values - middle)))
            result[:, place] = np.abs(values - middle) / deviation if deviation > 0 else 0.0
            continue
        keys = _keys(column)
        counts = Counter(keys)
        rare = max(1.0, bar.rare * len(keys))
        # A value seen once says something only among values that repeat.
        repeating = sum(count for count in counts.values() if count > rare) >= 0.9 * len(keys)
        if repeating and len(keys) >= 20:
            result[:, place] = [bar.deviations if counts[key] <= rare else 0.0 for key in keys]
    return result


def _keys(column: Column) -> list[str]:
    return [column.say(row) for row in range(len(column.levels or column.numbers or ()))]


def _explain(row: int, table: Table, features: Features, scores: _Scores) -> Anomaly:
    weights = _contributions(row, features, scores)
    total = sum(weights) or 1.0
    order = sorted(range(len(weights)), key=lambda place: -weights[place])
    reasons = [
        _reason(row, place, features, scores, weights[place] / total)
        for place in order[:4]
        if weights[place] >= 0.25 * weights[order[0]] and weights[place] > 0
    ]
    unusual = float(scores.unusual[row])
    return Anomaly(
        row=row,
        label=table.label(row),
        # 0.5 on the bar, towards 1 beyond it: a monotone reading of `unusual`.
        score=round(max(0.0, unusual / (1 + unusual)), 4),
        forest_score=round(float(scores.forest[row]), 4),
        reasons=reasons,
        values=table.record(row),
    )


def _contributions(row: int, features: Features, scores: _Scores) -> list[float]:
    """How much less isolated the row were with a column at its typical value, plus what the value shows alone."""
    import numpy as np

    typical = np.median(features.matrix, axis=0)
    trials = np.repeat(features.matrix[row : row + 1], len(features.columns), axis=0)
    for place in range(len(features.columns)):
        indexes = features.of_column(place)
        if features.columns[place].levels is None:
            trials[place, indexes] = typical[indexes]
        else:  # levels come most frequent first
            trials[place, indexes] = 0.0
            trials[place, indexes[0]] = 1.0
    relief = (scores.forest[row] + scores.model.score_samples(trials)) / scores.spread
    alone = scores.deviations[row]
    return [max(0.0, float(less)) + max(0.0, float(z) - 3.0) for less, z in zip(relief, alone, strict=True)]


def _reason(row: int, place: int, features: Features, scores: _Scores, weight: float) -> Reason:
    column = features.columns[place]
    numeric = column.numbers is not None and column.kind != "boolean"
    z = float(scores.deviations[row, place])
    said = column.say(row)
    missing = (column.numbers[row] if column.numbers is not None else (column.levels or [None])[row]) is None
    common = Counter(_keys(column))
    kind: Literal["far_from_typical", "rare_value", "unusual_combination", "missing_value"]
    if missing:
        kind, text = "missing_value", f"{column.name} is missing"
    elif numeric and z >= 3.0:
        kind, text = "far_from_typical", f"{column.name} is {said}; most rows have {_range(column)}"
    elif not numeric and common[said] <= max(1.0, 0.02 * len(common)):
        kind = "rare_value"
        text = f"{column.name} is {said}, which {common[said]} of {sum(common.values())} rows have"
    else:
        kind, text = "unusual_combination", f"{column.name} is {said}, unusual together with the row's other values"
    return Reason(
        column=column.name,
        kind=kind,
        text=text,
        weight=round(weight, 4),
        robust_z=round(z, 3) if numeric and not missing else None,
    )


def _range(column: Column) -> str:
    import numpy as np

    low, high = np.percentile([value for value in column.numbers or () if value is not None], [5, 95])
    return f"{column.show(float(low))} to {column.show(float(high))}"


def _profile(column: Column, anomalies: list[Anomaly]) -> ColumnProfile:
    import numpy as np

    typical = within = None
    if column.usable and column.numbers is not None:
        present = [value for value in column.numbers if value is not None]
        if column.kind == "boolean":
            typical = column.show(float(np.mean(present)))
        else:
            typical, within = column.show(float(np.median(present))), _range(column)
    elif column.usable:
        typical = Counter(level for level in column.levels or () if level is not None).most_common(1)[0][0]
    return ColumnProfile(
        name=column.name,
        kind=column.kind,
        used=column.usable,
        missing=column.missing,
        distinct=column.distinct,
        typical=typical,
        typical_range=within,
        anomalies=sum(any(reason.column == column.name for reason in anomaly.reasons) for anomaly in anomalies),
        note=column.note,
    )


def _notes(features: Features, count: int, listed: int) -> list[str]:
    notes = list(features.notes)
    if listed < count:
        notes.append(f"The {listed} strangest of {count} anomalies are listed.")
    if not count:
        notes.append("No row stands out. A higher sensitivity or an expected share looks closer.")
    return notes


def _summary(rows: int, count: int, anomalies: list[Anomaly]) -> str:
    if not anomalies:
        return f"None of {rows} rows stands out."
    first = anomalies[0]
    why = "; ".join(reason.text for reason in first.reasons[:2])
    return f"{count} of {rows} rows stand out. Strangest: {first.label}" + (f" ({why})." if why else ".")


WORKFLOW = FunctionWorkflow(
    slug="tabular-anomaly",
    name="Table anomalies",
    summary="Finds the rows of a table that don't fit, and says why.",
    description=(
        "Give it rows of JSON or CSV text: orders, measurements, bookings. An isolation forest finds odd combinations "
        "of values, robust z-scores find single values far out, and rare categories are noticed. Each anomaly comes "
        "with reasons: how much of its strangeness goes away with each column at its usual value."
    ),
    version="1.0.0",
    input_model=TabularAnomalyInput,
    output_model=TabularAnomalyOutput,
    function=run,
    to_files=files,
    tags=("table", "anomaly", "data-quality"),
    libraries=("sklearn.ensemble",),
)


def _expenses() -> list[dict[str, Any]]:
    """Ordinary expenses by a fixed pattern, and three that aren't."""
    kinds = (("travel", 120), ("meals", 35), ("office", 60), ("software", 90))
    rows: list[dict[str, Any]] = [
        {
            "expense": f"E{1000 + number}",
            "category": kinds[number % 4][0],
            "amount": kinds[number % 4][1] + (number * 7) % 23,
            "days_to_submit": 2 + (number * 5) % 9,
            "receipts": 1 + number % 2,
        }
        for number in range(60)
    ]
    rows[17] |= {"amount": 4980}
    rows[34] |= {"category": "meals", "amount": 38, "days_to_submit": 190}
    rows[51] |= {"category": "donation"}
    return rows


_READINGS = """time,temperature,humidity,pressure
2026-01-01T00:00,19.1,44,1013
2026-01-01T01:00,19.0,44,1013
2026-01-01T02:00,18.8,45,1013
2026-01-01T03:00,18.7,45,1012
2026-01-01T04:00,18.6,46,1012
2026-01-01T05:00,18.6,46,1012
2026-01-01T06:00,18.8,46,1012
2026-01-01T07:00,19.2,45,1013
2026-01-01T08:00,19.9,44,1013
2026-01-01T09:00,20.4,43,1014
2026-01-01T10:00,20.9,42,1014
2026-01-01T11:00,21.3,41,1014
2026-01-01T12:00,21.6,41,1014
2026-01-01T13:00,21.7,40,1014
2026-01-01T14:00,87.4,40,1014
2026-01-01T15:00,21.5,41,1013
2026-01-01T16:00,21.2,41,1013
2026-01-01T17:00,20.8,42,1013
2026-01-01T18:00,20.4,42,1013
2026-01-01T19:00,20.1,43,1013
"""

TEMPLATES = (
    Template(
        slug="unusual-expenses",
        name="Unusual expenses",
        description="Sixty expense claims, a few of which somebody should look at.",
        tags=("finance", "audit"),
        parameters={"rows": _expenses(), "label_column": "expense"},
    ),
    Template(
        slug="sensor-check",
        name="A sensor's odd readings",
        description="Readings as CSV with one wrong value, looked at closely.",
        tags=("sensors",),
        parameters={
            "csv": _READINGS,
            "label_column": "time",
            "sensitivity": "high",
        },
    ),
)
