"""Workflows find what was planted, say so, do it again the same way, and stop when asked."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, ValidationError

from workers import workflows
from workers.registry import MODULES, TEMPLATES, WORKFLOWS
from workers.workflow import RunCancelled, SilentContext, Template, WorkflowInputError

EXAMPLES = [pytest.param(slug, template, id=template.slug) for slug, listed in TEMPLATES.items() for template in listed]


class Recorder:
    """A context that keeps every report, and may cancel after so many reports."""

    def __init__(self, cancel_after: int | None = None) -> None:
        self.reports: list[tuple[float, str]] = []
        self._cancel_after = cancel_after

    def progress(self, fraction: float, message: str) -> None:
        self.reports.append((fraction, message))
        self.check_cancelled()

    def check_cancelled(self) -> None:
        if self._cancel_after is not None and len(self.reports) >= self._cancel_after:
            raise RunCancelled


def run(slug: str, parameters: Any, context: Any = None) -> Any:
    workflow = WORKFLOWS[slug]
    given = workflow.input_model.model_validate(parameters)
    return workflow.run(given, context or SilentContext())


# --- what holds for all ----------------------------------------------------------------------------------------------


def test_every_workflow_describes_itself() -> None:
    files = {path.stem for path in Path(workflows.__file__).parent.glob("*.py")} - {"__init__"}
    assert {slug.replace("-", "_") for slug in WORKFLOWS} == files, "every workflow's module is in MODULES"
    slugs = [template.slug for listed in TEMPLATES.values() for template in listed]
    assert len(slugs) == len(set(slugs))
    for module, workflow in zip(MODULES, WORKFLOWS.values(), strict=True):
        assert module.__name__.rsplit(".", 1)[1] == workflow.slug.replace("-", "_")
        assert workflow.summary
        assert workflow.description
        assert workflow.tags
        assert workflow.version
        schema = workflow.input_model.model_json_schema()
        jsonschema.Draft202012Validator.check_schema(schema)
        for name, field in schema["properties"].items():
            assert field.get("title"), f"{workflow.slug}.{name} has no title"
            assert field.get("description"), f"{workflow.slug}.{name} has no description"
            assert field.get("default", ...) is not None, f"{workflow.slug}.{name}: null isn't of its type"
            if field.get("type") == "array":
                assert "maxItems" in field, f"{workflow.slug}.{name} is unbounded"
            if field.get("type") == "string" and "enum" not in field:
                assert "maxLength" in field, f"{workflow.slug}.{name} is unbounded"


def test_the_registry_is_cheap_to_import() -> None:
    heavy = ("numpy", "sklearn", "vaderSentiment", "celery", "sqlalchemy")
    code = f"import workers.registry, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("slug", "template"), EXAMPLES)
def test_examples_fit_the_schema_and_run(slug: str, template: Template) -> None:
    workflow = WORKFLOWS[slug]
    parameters = json.loads(json.dumps(dict(template.parameters)))
    jsonschema.Draft202012Validator(workflow.input_model.model_json_schema()).validate(parameters)
    context = Recorder()
    output = run(slug, parameters, context)
    assert isinstance(output, workflow.output_model)
    text = json.dumps(output.model_dump(mode="json"), allow_nan=False)
    assert workflow.output_model.model_validate_json(text) == output
    assert output.summary  # type: ignore[attr-defined]
    fractions = [fraction for fraction, _ in context.reports]
    assert len(fractions) >= 2, "progress is reported when it begins, and on the way"
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] < fractions[-1] <= 1
    assert all(message for _, message in context.reports)


@pytest.mark.parametrize(("slug", "template"), EXAMPLES)
def test_the_same_input_gives_the_same_result(slug: str, template: Template) -> None:
    first, second = (run(slug, template.parameters).model_dump_json() for _ in range(2))
    assert first == second


@pytest.mark.parametrize(("slug", "template"), EXAMPLES)
def test_a_cancelled_workflow_stops_at_the_next_step(slug: str, template: Template) -> None:
    whole = Recorder()
    run(slug, template.parameters, whole)
    for after in sorted({1, len(whole.reports) // 2, len(whole.reports)} - {0}):
        context = Recorder(cancel_after=after)
        with pytest.raises(RunCancelled):
            run(slug, template.parameters, context)
        assert len(context.reports) == after


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("text-insights", {}, "texts"),
    ("text-insights", {"texts": []}, "texts"),
    ("text-insights", {"texts": [""]}, "texts"),
    ("text-insights", {"texts": ["x"] * 501}, "texts"),
    ("text-insights", {"texts": ["x" * 20_001]}, "texts"),
    ("text-insights", {"texts": ["x" * 19_000] * 30}, "characters"),
    ("text-insights", {"texts": ["x"], "key_phrases": 0}, "key_phrases"),
    ("text-insights", {"texts": ["x"], "unknown": 1}, "unknown"),
    ("table-clusters", {}, "rows or as csv"),
    ("table-clusters", {"rows": [{"a": 1}], "csv": "a\n1"}, "rows or as csv"),
    ("table-clusters", {"rows": [{"a": 1}] * 5_001}, "rows"),
    ("table-clusters", {"rows": [{f"c{n}": 1 for n in range(61)}]}, "rows"),
    ("table-clusters", {"rows": [{"a": {"nested": 1}}]}, "rows"),
    ("table-clusters", {"rows": [{"a": "x" * 2_001}]}, "rows"),
    ("table-clusters", {"rows": [{"a": math.inf}]}, "rows"),
    ("table-clusters", {"csv": "a\n1", "clusters": 1}, "clusters"),
    ("table-clusters", {"csv": "a\n1", "seed": -1}, "seed"),
    ("tabular-anomaly", {"csv": "a\n1", "sensitivity": "extreme"}, "sensitivity"),
    ("tabular-anomaly", {"csv": "a\n1", "expected_share": 0.9}, "expected_share"),
    ("forecast", {}, "values or as points"),
    ("forecast", {"values": [1.0] * 11}, "values"),
    ("forecast", {"values": [1.0] * 5_001}, "values"),
    ("forecast", {"values": [1.0] * 20, "horizon": 401}, "horizon"),
    ("forecast", {"values": [1.0] * 20, "start": "2026-01-01"}, "frequency"),
    ("forecast", {"values": [math.nan] * 20}, "values"),
    ("forecast", {"values": ["many"] * 20}, "values"),
]


@pytest.mark.parametrize(("slug", "parameters", "words"), WRONG)
def test_wrong_input_is_refused_with_the_field(slug: str, parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        WORKFLOWS[slug].input_model.model_validate(parameters)
    assert words in str(caught.value)


UNWORKABLE: list[tuple[str, dict[str, Any], str]] = [
    ("text-insights", {"texts": ["… !!!"]}, "NO_WORDS"),
    ("table-clusters", {"csv": "a,b\n1,2\n"}, "TOO_FEW_ROWS"),
    ("table-clusters", {"csv": "a,b\n1,2\n1\n"}, "RAGGED_CSV"),
    ("table-clusters", {"csv": "a,a\n1,2\n"}, "BAD_CSV"),
    ("table-clusters", {"csv": 'a,b\n"1,2\n'}, "BAD_CSV"),
    ("table-clusters", {"csv": "a,b\n" + "1,2\n" * 20}, "NO_USABLE_COLUMNS"),
    ("table-clusters", {"csv": "a,b\n" + "1,2\n2,1\n" * 10}, "NO_VARIATION"),
    ("table-clusters", {"csv": "a\n" + "\n".join(map(str, range(20))), "columns": ["b"]}, "UNKNOWN_COLUMN"),
    ("table-clusters", {"csv": "a\n" + "\n".join(map(str, range(20))), "label_column": "b"}, "UNKNOWN_COLUMN"),
    ("table-clusters", {"csv": "a\n" + "\n".join(map(str, range(6_000)))}, "TOO_MANY_ROWS"),
    ("table-clusters", {"csv": "a,b\n" + "1,2\n2,1\n3,3\n" * 10, "clusters": 9}, "TOO_MANY_CLUSTERS"),
    ("table-clusters", {"rows": [{f"c{n}": n} for n in range(70)]}, "TOO_MANY_COLUMNS"),
    ("tabular-anomaly", {"csv": "a\n" + "1\n" * 11}, "TOO_FEW_ROWS"),
    ("forecast", {"values": [1, None] * 10}, "TOO_FEW_VALUES"),
    ("forecast", {"values": [1, 2, None] * 20}, "TOO_MANY_GAPS"),
    ("forecast", {"values": [1.0, 2.0] * 10, "season_length": 12}, "SEASON_TOO_LONG"),
    ("forecast", {"values": [1.0] * 20, "start": "20th of May", "frequency": "day"}, "BAD_DATE"),
    ("forecast", {"points": [{"at": "2026-01-01", "value": 1}] * 12}, "DUPLICATE_DATE"),
    (
        "forecast",
        {"points": [{"at": f"2026-01-{n // 4 + 1:02d}T{n % 4 * 5:02d}:17", "value": 1} for n in range(40)]},
        "UNEVEN_SERIES",
    ),
    (
        "forecast",
        {
            "points": [{"at": f"2026-01-{n + 1:02d}", "value": 1} for n in range(20)]
            + [{"at": "2226-01-01", "value": 1}]
        },
        "TOO_LONG",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("slug", "parameters", "code"), UNWORKABLE)
def test_unworkable_input_is_explained(slug: str, parameters: dict[str, Any], code: str) -> None:
    with pytest.raises(WorkflowInputError) as caught:
        run(slug, parameters)
    assert caught.value.code == code
    assert len(caught.value.message) > 10


# --- text insights ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I love this wonderful phone. It is great!", "positive"),
        ("Awful. I hate it, the worst purchase ever.", "negative"),
        ("The parcel has a weight of two kilograms.", "neutral"),
        ("The food was delicious and great. The service was horrible and rude.", "mixed"),
        ("This is not good.", "negative"),
    ],
)
def test_sentiments(text: str, label: str) -> None:
    output = run("text-insights", {"texts": [text]})
    assert output.overall.label == output.texts[0].label == label


def test_a_sentiment_shows_the_words_that_made_it() -> None:
    sentence = run("text-insights", {"texts": ["Terrible delivery, but lovely staff."]}).texts[0].sentences[0]
    assert {evidence.word: evidence.valence > 0 for evidence in sentence.evidence} == {
        "terrible": False,
        "lovely": True,
    }


def test_planted_phrases_are_found() -> None:
    generator = random.Random(1)
    filler = ["the weather was grey", "we walked a while", "people came and went", "it took an hour"]
    texts = [f"{generator.choice(filler)}. The quantum toaster arrived. {generator.choice(filler)}." for _ in range(12)]
    output = run("text-insights", {"texts": texts, "key_phrases": 3, "max_topics": 0})
    first = output.key_phrases[0]
    assert "quantum toaster" in first.phrase
    assert first.occurrences == 12
    assert first.texts == list(range(12))
    assert "quantum toaster" in first.example.lower()


def test_planted_topics_are_found() -> None:
    generator = random.Random(2)
    themes = {
        "sea": ["ship", "harbour", "sail", "wave", "captain", "anchor"],
        "kitchen": ["recipe", "oven", "butter", "flour", "bake", "dough"],
        "court": ["judge", "lawyer", "verdict", "trial", "witness", "appeal"],
    }
    planted = [name for name in themes for _ in range(12)]
    texts = [" and the ".join(generator.choices(themes[name], k=14)) + "." for name in planted]
    output = run("text-insights", {"texts": texts, "max_topics": 6})
    assert len(output.topics) == 3
    for topic in output.topics:
        names = {planted[index] for index in topic.texts}
        assert len(names) == 1
        assert {term.term for term in topic.terms[:5]} <= set(themes[names.pop()])


def test_a_foreign_text_is_marked_as_unreliable() -> None:
    text = "Der Kaffee schmeckt hervorragend, aber die Maschine ist leider schon nach einem Monat kaputt gegangen."
    output = run(
        "text-insights", {"texts": [text, "This is a text in English, and it is about the same thing as that."]}
    )
    assert [report.reliable for report in output.texts] == [False, True]
    assert any("English" in note for note in output.notes)


GERMAN = (
    "Der schlechte Kaffee ist ein Horror, die Maschine war leider schon nach einem Monat total kaputt und terrible."
)


def test_an_unreliable_text_is_left_out_of_everything_that_is_said_of_the_texts_together() -> None:
    english = [f"The espresso is wonderful, and I love the rich crema of machine {number}." for number in range(9)]
    without = run("text-insights", {"texts": english})
    output = run("text-insights", {"texts": [GERMAN, *english, GERMAN]})
    assert output.overall == without.overall
    assert output.overall.texts == len(english)
    assert output.statistics == without.statistics
    assert [(phrase.phrase, phrase.score, phrase.sentiment) for phrase in output.key_phrases] == [
        (phrase.phrase, phrase.score, phrase.sentiment) for phrase in without.key_phrases
    ]
    assert [(topic.name, topic.share, topic.sentiment) for topic in output.topics] == [
        (topic.name, topic.share, topic.sentiment) for topic in without.topics
    ]
    assert all(0 not in phrase.texts and 10 not in phrase.texts for phrase in output.key_phrases)
    assert [report.index for report in output.texts if not report.reliable] == [0, 10]
    assert output.texts[0].topic is None


def test_without_a_reliable_text_nothing_is_said_of_all() -> None:
    output = run("text-insights", {"texts": [GERMAN]})
    assert output.overall is None
    assert (output.key_phrases, output.topics, output.statistics.words) == ([], [], 0)
    assert "None of the texts looks English" in output.summary
    assert output.texts[0].statistics.words > 10


# --- tables ----------------------------------------------------------------------------------------------------------


def groups(seed: int = 3, each: int = 40) -> list[dict[str, Any]]:
    """Three kinds of rows, a gap here and there, one row far from all."""
    generator = random.Random(seed)
    kinds = [(20, 100, "red"), (50, 500, "green"), (80, 250, "blue")]
    rows: list[dict[str, Any]] = []
    for number in range(3 * each):
        age, income, colour = kinds[number % 3]
        rows.append(
            {
                "id": f"p{number}",
                "age": None if number % 17 == 5 else round(generator.gauss(age, 3), 1),
                "income": round(generator.gauss(income, 20), 1),
                "colour": colour if generator.random() < 0.9 else generator.choice(["red", "green", "blue"]),
                "comment": f"text number {number} of many",
                "country": "DE",
            }
        )
    rows.append({"id": "odd", "age": 250, "income": -900, "colour": "red", "comment": "odd", "country": "DE"})
    return rows


def test_planted_groups_and_the_outlier_are_found() -> None:
    rows = groups()
    output = run("table-clusters", {"rows": rows, "label_column": "id"})
    assert len(output.clusters) == 3
    together: dict[int, set[int]] = {}
    for number, cluster in enumerate(output.assignments[:-1]):
        together.setdefault(number % 3, set()).add(cluster)
    assert all(len(clusters) == 1 for clusters in together.values())
    assert len(set.union(*together.values())) == 3
    assert [outlier.label for outlier in output.outliers] == ["odd"]
    assert any("age is 250" in reason or "income is -900" in reason for reason in output.outliers[0].reasons)
    assert output.quality.structure in ("strong", "reasonable")
    assert output.quality.stability > 0.95
    assert {report.name: report.kind for report in output.columns} == {
        "age": "number",
        "income": "number",
        "colour": "category",
        "comment": "text",
        "country": "constant",
    }
    poor = next(
        cluster
        for cluster in output.clusters
        if any("income" in d.text and "low" in d.text for d in cluster.differences) and cluster.differences
    )
    assert "age" in poor.name or "income" in poor.name
    assert len(output.points) == len(rows)


def test_a_cloud_without_groups_says_so() -> None:
    generator = random.Random(5)
    rows = [{f"c{column}": generator.gauss(0, 1) for column in range(8)} for _ in range(200)]
    output = run("table-clusters", {"rows": rows})
    assert output.quality.structure == "none"
    assert any("overlap" in note for note in output.notes)


def test_json_rows_and_csv_give_the_same_groups() -> None:
    rows = [{name: value for name, value in row.items() if name != "comment"} for row in groups()]
    header = list(rows[0])
    lines = [";".join("" if row[name] is None else str(row[name]) for name in header) for row in rows]
    text = "\n".join([";".join(header), *lines])
    by_rows = run("table-clusters", {"rows": rows, "label_column": "id"})
    by_csv = run("table-clusters", {"csv": text, "label_column": "id"})
    assert by_rows.assignments == by_csv.assignments


def test_planted_anomalies_are_found_with_their_reasons() -> None:
    generator = random.Random(9)
    rows: list[dict[str, Any]] = []
    for number in range(300):
        size = generator.uniform(1, 10)
        rows.append(
            {
                "order": f"o{number}",
                "size": round(size, 2),
                "weight": round(size * 2 + generator.gauss(0, 0.3), 2),
                "shop": generator.choice(["north", "south", "east"]),
            }
        )
    rows[40]["weight"] = 900
    rows[120]["shop"] = "moon"
    output = run("tabular-anomaly", {"rows": rows, "label_column": "order"})
    found = {anomaly.label: anomaly for anomaly in output.anomalies}
    assert {"o40", "o120"} <= set(found)
    assert output.anomaly_count <= 6
    assert output.anomalies[0].label == "o40"
    assert (found["o40"].reasons[0].column, found["o40"].reasons[0].kind) == ("weight", "far_from_typical")
    assert (found["o120"].reasons[0].column, found["o120"].reasons[0].kind) == ("shop", "rare_value")


def test_ordinary_rows_give_no_anomaly() -> None:
    generator = random.Random(4)
    rows = [{"a": generator.gauss(0, 1), "b": generator.gauss(5, 2)} for _ in range(300)]
    output = run("tabular-anomaly", {"rows": rows, "sensitivity": "low"})
    assert output.anomaly_count <= 2


def test_an_expected_share_is_kept() -> None:
    generator = random.Random(4)
    rows = [{"a": generator.gauss(0, 1), "b": generator.gauss(5, 2)} for _ in range(200)]
    output = run("tabular-anomaly", {"rows": rows, "expected_share": 0.05, "max_anomalies": 3})
    assert output.anomaly_count == 10
    assert len(output.anomalies) == 3


# --- forecast --------------------------------------------------------------------------------------------------------


def seasonal(length: int, season: int, *, noise: float = 1.0, trend: float = 0.2, seed: int = 6) -> list[float]:
    generator = random.Random(seed)
    return [
        50 + trend * step + 20 * math.sin(2 * math.pi * step / season) + generator.gauss(0, noise)
        for step in range(length)
    ]


@pytest.mark.parametrize("season", [4, 7, 12, 24])
def test_a_seasonal_series_beats_naive_and_foresees_what_comes(season: int) -> None:
    values = seasonal(season * 9, season)
    past, future = values[: season * 8], values[season * 8 :]
    output = run("forecast", {"values": past, "horizon": season})
    assert output.season.length == season
    assert output.season.found
    errors = {report.method: report.mae for report in output.methods}
    assert errors[output.method] < 0.5 * errors["naive"]
    mean = sum(abs(point.value - real) for point, real in zip(output.forecast, future, strict=True)) / season
    assert mean < 3
    inside = sum(point.lower <= real <= point.upper for point, real in zip(output.forecast, future, strict=True))
    assert inside >= 0.6 * season


def test_noise_is_forecast_by_something_simple_and_wide() -> None:
    generator = random.Random(8)
    values = [generator.gauss(100, 10) for _ in range(120)]
    output = run("forecast", {"values": values, "horizon": 5, "interval": 0.9})
    assert output.season.length == 1
    assert all(60 < point.lower < 100 < point.upper < 140 for point in output.forecast)


def test_a_constant_series_stays() -> None:
    output = run("forecast", {"values": [5.0] * 30, "horizon": 3})
    assert [(point.value, point.lower, point.upper) for point in output.forecast] == [(5.0, 5.0, 5.0)] * 3


def test_dated_points_in_any_order_with_gaps() -> None:
    points: list[dict[str, Any]] = [
        {"at": f"{2020 + month // 12}-{month % 12 + 1:02d}-15", "value": value}
        for month, value in enumerate(seasonal(60, 12))
    ]
    del points[30]
    points[10]["value"] = None
    random.Random(1).shuffle(points)
    output = run("forecast", {"points": points, "horizon": 3})
    assert output.frequency == "month"
    assert (output.observations, output.filled) == (60, 2)
    assert [point.at for point in output.forecast] == ["2025-01-15", "2025-02-15", "2025-03-15"]


def test_the_end_of_a_month_stays_one() -> None:
    output = run("forecast", {"values": [1.0] * 24, "start": "2024-01-31", "frequency": "month", "horizon": 2})
    assert [point.at for point in output.forecast] == ["2026-01-31", "2026-02-28"]


def test_counts_never_go_below_zero() -> None:
    values = [max(0.0, 40.0 - step) for step in range(40)]
    output = run("forecast", {"values": values, "horizon": 20, "non_negative": True})
    assert all(point.lower >= 0 and point.value >= 0 for point in output.forecast)


def test_outputs_are_models_of_their_own() -> None:
    assert all(issubclass(workflow.output_model, BaseModel) for workflow in WORKFLOWS.values())


def test_dates_beyond_the_calendar_are_explained() -> None:
    with pytest.raises(WorkflowInputError) as caught:
        run("forecast", {"values": [1.0] * 20, "start": "9998-01-01", "frequency": "year", "horizon": 5})
    assert caught.value.code == "BAD_DATE"
