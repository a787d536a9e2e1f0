"""A submitted series -> its next values with intervals, by the method that did best on its own past."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.json_schema import SkipJsonSchema

from workers.series.backtest import Errors, back_test, coverage, half_widths
from workers.series.dates import Frequency, find_frequency, moment_of, parse, step_of
from workers.series.methods import DESCRIPTIONS, Method, forecasters
from workers.series.season import find_season, season_strength
from workers.tabular.columns import plain
from workers.tabular.csvtext import CONTENT_TYPE, csv_text
from workers.workflow import File, FunctionWorkflow, RunContext, Template, WorkflowInputError, either

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_VALUES = 12
MAX_VALUES = 5_000
MAX_HORIZON = 400
# A more complex method has to be this much better than a simpler one.
BETTER_BY = 0.03
# Share of missing values over which filling them in would be inventing the series.
MAX_MISSING = 0.3
REGULAR: dict[str, int] = {"hour": 24, "day": 7, "week": 52, "month": 12, "quarter": 4, "year": 1}

Bounded = Field(min_length=MIN_VALUES, max_length=MAX_VALUES)
Value = Annotated[float, Field(allow_inf_nan=False, ge=-1e15, le=1e15)]


class SeriesPoint(BaseModel):
    model_config = ConfigDict(extra="forbid")

    at: Annotated[str, StringConstraints(min_length=8, max_length=35)] = Field(
        title="When", description="ISO 8601 date or time, such as 2026-03-01 or 2026-03-01T14:00Z."
    )
    value: Value | None = Field(title="Value", description="null where it is missing.")


class ForecastInput(BaseModel):
    """The series and how far to look ahead."""

    model_config = ConfigDict(extra="forbid", title="Forecast", json_schema_extra=either("points", "values"))

    # Limits stand on the types: on a field that may be None they would miss in the JSON Schema.
    values: Annotated[list[Value | None], Bounded] | SkipJsonSchema[None] = Field(
        default=None,
        title="Values",
        description="The series, oldest first, at even steps; null where a value is missing.",
    )
    points: Annotated[list[SeriesPoint], Bounded] | SkipJsonSchema[None] = Field(
        default=None,
        title="Points",
        description="The series with dates, in any order; the step is found, and gaps are filled.",
    )
    horizon: int = Field(default=12, title="Horizon", description="How many steps to forecast.", ge=1, le=MAX_HORIZON)
    season_length: Annotated[int, Field(ge=1, le=1_000)] | SkipJsonSchema[None] = Field(
        default=None,
        title="Season length",
        description="Steps in a season (7 for days in a week); leave it out to have it found; 1 for none.",
    )
    start: Annotated[str, StringConstraints(min_length=8, max_length=35)] | SkipJsonSchema[None] = Field(
        default=None, title="Start", description="With values: the date of the first one, ISO 8601."
    )
    frequency: Frequency | SkipJsonSchema[None] = Field(
        default=None, title="Step", description="With values and start: the step between two values."
    )
    interval: float = Field(
        default=0.9,
        title="Interval",
        description="The share of real values that the interval shall hold.",
        ge=0.5,
        le=0.99,
    )
    non_negative: bool = Field(
        default=False, title="Never below zero", description="For counts and amounts that can't be negative."
    )

    @model_validator(mode="after")
    def _consistent(self) -> ForecastInput:
        if (self.values is None) == (self.points is None):
            raise ValueError("Give the series either as values or as points")
        if self.points is not None and self.start is not None:
            raise ValueError("start goes with values; points have their own dates")
        if self.start is not None and self.frequency is None:
            raise ValueError("start needs the step between two values: set frequency")
        return self


class ForecastPoint(BaseModel):
    step: int
    at: str | None
    value: float
    lower: float
    upper: float


class MethodReport(BaseModel):
    method: Method
    chosen: bool
    mae: float = Field(description="Mean absolute error over the back-test.")
    smape: float = Field(description="Symmetric mean absolute percentage error, 0 to 200.")
    mase: float = Field(description="Error relative to repeating the last season one step on; under 1 is better.")
    description: str


class Season(BaseModel):
    length: int
    strength: float = Field(description="Share of the variation around the trend that the season explains, 0 to 1.")
    found: bool = Field(description="True when it was found in the series rather than given.")


class BackTest(BaseModel):
    folds: int
    horizon: int
    coverage: float = Field(description="Share of past values that fell into the interval, each judged by the others.")


class ForecastOutput(BaseModel):
    summary: str
    method: str
    forecast: list[ForecastPoint]
    season: Season
    trend_per_step: float
    methods: list[MethodReport]
    back_test: BackTest
    observations: int
    filled: int = Field(description="Missing values that were filled by interpolation.")
    frequency: str | None
    notes: list[str]


@dataclass(frozen=True, slots=True)
class _Series:
    values: NDArray[np.float64]
    filled: int
    start: datetime | None
    frequency: Frequency | None
    date_only: bool
    notes: list[str]


def run(inputs: ForecastInput, context: RunContext) -> ForecastOutput:
    import numpy as np

    context.progress(0.03, "Reading the series")
    series = _read(inputs)
    values = series.values
    context.progress(0.1, "Looking for a season")
    season = _season(values, inputs.season_length, series.frequency)
    methods = forecasters(season.length)
    context.progress(0.15, "Testing methods on the past")
    horizon = min(inputs.horizon, max(1, len(values) // 4))
    errors = back_test(values, methods, horizon, season.length, context)
    reports, best = _choose(errors, values, season.length)
    context.progress(0.85, "Forecasting")
    future = methods[best](values, inputs.horizon)
    half = half_widths(errors[best].signed, inputs.horizon, inputs.interval)
    floor = 0.0 if inputs.non_negative else -math.inf
    points = [
        ForecastPoint(
            step=step + 1,
            at=_moment(series, len(values) + step),
            value=round(max(floor, float(future[step])), 6),
            lower=round(max(floor, float(future[step] - half[step])), 6),
            upper=round(max(floor, float(future[step] + half[step])), 6),
        )
        for step in range(inputs.horizon)
    ]
    slope = float(np.polyfit(np.arange(len(values)), values, 1)[0])
    tested = BackTest(
        folds=len(errors[best].signed),
        horizon=horizon,
        coverage=round(coverage(errors[best].signed, inputs.interval), 4),
    )
    return ForecastOutput(
        summary=_summary(points, best, reports, season),
        method=best,
        forecast=points,
        season=season,
        trend_per_step=round(slope, 6),
        methods=reports,
        back_test=tested,
        observations=len(values),
        filled=series.filled,
        frequency=series.frequency,
        notes=_notes(series, inputs, horizon, tested),
    )


def files(inputs: ForecastInput, output: ForecastOutput) -> Sequence[File]:
    rows = ((point.step, point.at, point.value, point.lower, point.upper) for point in output.forecast)
    return (File("forecast.csv", csv_text(("step", "at", "value", "lower", "upper"), rows), CONTENT_TYPE),)


def _read(inputs: ForecastInput) -> _Series:
    notes: list[str] = []
    raw: list[float | None]
    start: datetime | None
    frequency: Frequency | None
    if inputs.points is not None:
        raw, start, frequency, date_only = _from_points(inputs.points, inputs.frequency, notes)
    else:
        raw = list(inputs.values or [])
        start = parse(inputs.start, "start") if inputs.start is not None else None
        frequency, date_only = inputs.frequency, inputs.start is not None and len(inputs.start) == 10
    values, filled = _fill(raw)
    return _Series(values, filled, start, frequency, date_only, notes)


def _from_points(
    points: list[SeriesPoint], requested: Frequency | None, notes: list[str]
) -> tuple[list[float | None], datetime, Frequency, bool]:
    """Dated points in any order -> values at even steps; a step without a point is missing."""
    dated = [(parse(point.at, f"points.{place}.at"), point.value) for place, point in enumerate(points)]
    dated.sort(key=_when)
    for (earlier, _), (later, _) in pairwise(dated):
        if earlier == later:
            raise WorkflowInputError("DUPLICATE_DATE", f"Two points have the date {later.isoformat()}.", path="points")
    start = dated[0][0]
    frequency = requested or find_frequency([later - earlier for (earlier, _), (later, _) in pairwise(dated)])
    placed: dict[int, float | None] = {}
    for moment, value in dated:
        step = step_of(start, moment, frequency)
        if step in placed:
            raise WorkflowInputError(
                "UNEVEN_SERIES", f"Two points fall into one {frequency}: {moment.isoformat()}.", path="points"
            )
        placed[step] = value
    count = max(placed) + 1
    if count > MAX_VALUES:
        raise WorkflowInputError(
            "TOO_LONG", f"The dates span {count} {frequency}s; {MAX_VALUES} at most.", path="points"
        )
    if count > len(placed):
        notes.append(f"{count - len(placed)} {frequency}s have no point; they were filled in.")
    return [placed.get(step) for step in range(count)], start, frequency, all(len(point.at) == 10 for point in points)


def _moment(series: _Series, step: int) -> str | None:
    if series.start is None or series.frequency is None:
        return None
    moment = moment_of(series.start, step, series.frequency)
    return moment.date().isoformat() if series.date_only else moment.isoformat()


def _when(dated: tuple[datetime, float | None]) -> datetime:
    return dated[0]


def _fill(raw: list[float | None]) -> tuple[NDArray[np.float64], int]:
    import numpy as np

    values = np.array([math.nan if value is None else value for value in raw], dtype=np.float64)
    known = np.flatnonzero(~np.isnan(values))
    missing = len(values) - len(known)
    if len(known) < MIN_VALUES:
        raise WorkflowInputError("TOO_FEW_VALUES", f"{len(known)} values are known; at least {MIN_VALUES} are needed.")
    if missing > MAX_MISSING * len(values):
        raise WorkflowInputError("TOO_MANY_GAPS", f"{missing} of {len(values)} values are missing.")
    return np.interp(np.arange(len(values)), known, values[known]), missing


def _season(values: NDArray[np.float64], requested: int | None, frequency: Frequency | None) -> Season:
    if requested is not None and requested > 1 and len(values) < 2 * requested:
        raise WorkflowInputError(
            "SEASON_TOO_LONG", f"Two seasons of {requested} steps need {2 * requested} values.", path="season_length"
        )
    length = requested if requested is not None else find_season(values, REGULAR.get(frequency or "", 0))
    return Season(length=length, strength=round(season_strength(values, length), 4), found=requested is None)


def _choose(
    errors: dict[Method, Errors], values: NDArray[np.float64], season: int
) -> tuple[list[MethodReport], Method]:
    import numpy as np

    means = {name: float(np.mean(np.abs(np.concatenate(error.signed)))) for name, error in errors.items()}
    best = next(iter(means))
    for name, mean in means.items():
        if math.isfinite(mean) and mean < means[best] * (1 - BETTER_BY):
            best = name
    scale = float(np.mean(np.abs(values[season:] - values[:-season]))) or 1.0
    reports = [
        MethodReport(
            method=name,
            chosen=name == best,
            mae=round(means[name], 6),
            smape=round(float(np.mean(np.concatenate(errors[name].percent))), 4),
            mase=round(means[name] / scale, 4),
            description=DESCRIPTIONS[name],
        )
        for name in errors
    ]
    return sorted(reports, key=lambda report: report.mae), best


def _notes(series: _Series, inputs: ForecastInput, horizon: int, back_test: BackTest) -> list[str]:
    notes = list(series.notes)
    if series.filled and not series.notes:
        notes.append(f"{series.filled} missing values were filled by interpolation.")
    if inputs.horizon > horizon:
        notes.append(f"The past is long enough to test {horizon} steps ahead; intervals beyond are extrapolated.")
    if back_test.folds < 4:
        notes.append(f"Only {back_test.folds} back-tests were possible: the intervals are rough.")
    return notes


def _summary(points: list[ForecastPoint], best: str, reports: list[MethodReport], season: Season) -> str:
    chosen = next(report for report in reports if report.chosen)
    seasonal = f"a season of {season.length} steps" if season.length > 1 else "no season"
    return (
        f"Next: {plain(points[0].value)} ({plain(points[0].lower)} to {plain(points[0].upper)}), after "
        f"{len(points)} steps {plain(points[-1].value)} ({plain(points[-1].lower)} to {plain(points[-1].upper)}). "
        f"Method {best.replace('_', ' ')}, {seasonal}; mean error {plain(chosen.mae)} on the past."
    )


WORKFLOW = FunctionWorkflow(
    slug="forecast",
    name="Forecast",
    summary="Forecasts a series with intervals, by the method that did best on its own past.",
    description=(
        "Give it sales, visits or readings at even steps, with or without dates. The season is found by "
        "autocorrelation; naive, drift, seasonal naive and ridge regression on lags and harmonics are tested on the "
        "past by rolling origin, and the best of them forecasts. Intervals come from the errors of those tests, and "
        "the result says how often they held."
    ),
    version="1.0.0",
    input_model=ForecastInput,
    output_model=ForecastOutput,
    function=run,
    to_files=files,
    tags=("time-series", "forecasting"),
    libraries=("sklearn.linear_model",),
)

TEMPLATES = (
    Template(
        slug="monthly-sales",
        name="Next year's monthly sales",
        description="Four years of monthly sales with a summer high; forecasts twelve months.",
        tags=("sales",),
        parameters={
            "values": [
                112, 118, 132, 129, 141, 165, 178, 176, 148, 133, 114, 128,
                121, 126, 141, 140, 151, 178, 190, 189, 159, 141, 122, 138,
                131, 139, 152, 149, 163, 190, 204, 201, 170, 153, 133, 147,
                142, 147, 164, 161, 173, 203, 217, 214, 181, 162, 142, 158,
            ],
            "start": "2022-01-01",
            "frequency": "month",
            "horizon": 12,
            "non_negative": True,
        },
    ),
    Template(
        slug="daily-visits",
        name="Visits of the next two weeks",
        description="Seven weeks of daily visits with quiet weekends and one day missing; forecasts fourteen days.",
        tags=("web", "traffic"),
        parameters={
            "points": [
                {
                    "at": (datetime(2026, 3, 2, tzinfo=UTC) + timedelta(days=day)).date().isoformat(),
                    "value": None
                    if day == 20
                    else (520, 545, 551, 538, 497, 260, 231)[day % 7] + 3 * day + day * 37 % 19,
                }
                for day in range(49)
            ],
            "horizon": 14,
            "interval": 0.8,
        },
    ),
)  # fmt: skip
