"""A submitted table -> groups of similar rows, what sets each apart, its outliers, and points to plot."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from workers.tabular.columns import Column, Kind, plain, understand
from workers.tabular.csvtext import CONTENT_TYPE, csv_text
from workers.tabular.features import Features, build_features
from workers.tabular.groups import alone, isolation, kmeans, stability
from workers.tabular.table import Cell, Table, TableInput, read_table
from workers.workflow import File, FunctionWorkflow, RunContext, Template, WorkflowInputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_ROWS = 8
# The silhouette needs every pair of rows; a sample of this size estimates it to about 0.01.
SILHOUETTE_ROWS = 1_200
PLOTTED_ROWS = 1_000
SHOWN_OUTLIERS = 50
# How often groups of one row are set aside and the rest is grouped again.
REGROUPINGS = 3
# Kaufman & Rousseeuw (1990), "Finding Groups in Data", table 4.
VERDICTS = ((0.71, "strong"), (0.51, "reasonable"), (0.26, "weak"), (-1.0, "none"))
# Cohen's "small" effect: under it a difference isn't worth telling.
TELLING = 0.3


class TableClustersInput(TableInput):
    """The table, and how many groups to look for."""

    model_config = ConfigDict(title="Table clusters")

    clusters: Annotated[int, Field(ge=2, le=12)] | SkipJsonSchema[None] = Field(
        default=None,
        title="Number of groups",
        description="Leave it out to have it chosen by the silhouette.",
    )
    max_clusters: int = Field(
        default=8, title="Most groups", description="When chosen: try up to this many.", ge=2, le=12
    )


class ColumnReport(BaseModel):
    name: str
    kind: Kind
    used: bool
    missing: int
    distinct: int
    note: str | None


class Difference(BaseModel):
    column: str
    text: str = Field(description="The difference in words.")
    effect: float = Field(description="In standard deviations (numbers) or as a difference of shares (categories).")
    cluster_value: str
    overall_value: str


class Cluster(BaseModel):
    cluster: int
    name: str
    size: int
    share: float
    cohesion: float | None = Field(description="Mean silhouette of its rows, -1 to 1; low means blurred edges.")
    differences: list[Difference]
    typical_row: int
    typical: dict[str, Cell] = Field(description="The row nearest to the group's centre, as submitted.")


class Outlier(BaseModel):
    row: int
    label: str
    cluster: int
    isolation: float = Field(description="Distance to its fifth neighbour, as a multiple of what is usual.")
    reasons: list[str]


class Point(BaseModel):
    row: int
    label: str
    cluster: int
    x: float
    y: float
    outlier: bool


class Quality(BaseModel):
    structure: Literal["strong", "reasonable", "weak", "none"]
    silhouette: float
    calinski_harabasz: float
    davies_bouldin: float
    stability: float = Field(description="Adjusted Rand index of clusterings of random halves; 1 is the same groups.")


class Trial(BaseModel):
    clusters: int
    silhouette: float


class Axis(BaseModel):
    explained: float = Field(description="Share of the variance on this axis.")
    columns: list[str] = Field(description="The columns that make the axis, strongest first.")


class TableClustersOutput(BaseModel):
    summary: str
    rows: int
    clusters: list[Cluster]
    assignments: list[int] = Field(description="The cluster of every row, in the order submitted.")
    outliers: list[Outlier]
    outlier_count: int
    points: list[Point]
    axes: list[Axis]
    quality: Quality
    trials: list[Trial]
    columns: list[ColumnReport]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class _Grouping:
    """Labels of all rows, numbered by size, and what they were made from."""

    labels: NDArray[np.int64]
    centres: NDArray[np.float64]
    trials: list[Trial]


def run(inputs: TableClustersInput, context: RunContext) -> TableClustersOutput:
    import numpy as np

    context.progress(0.02, "Reading the table")
    table = read_table(inputs, min_rows=MIN_ROWS)
    columns = understand(table)
    context.progress(0.1, "Scaling columns and filling gaps")
    features = build_features(columns)
    different = len(np.unique(features.matrix, axis=0))
    if different < 3:
        raise WorkflowInputError("NO_VARIATION", f"The rows have {different} different forms; nothing to group.")
    context.progress(0.15, "Looking for rows far from all others")
    distance, outside = isolation(features.matrix)
    context.progress(0.25, "Choosing the number of groups")
    grouping = _group(features.matrix, outside, inputs, context)
    for _ in range(REGROUPINGS):
        single = alone(grouping.labels, len(grouping.centres), outside)
        if not single.any() or inputs.clusters is not None:
            break
        outside |= single
        grouping = _group(features.matrix, outside, inputs, context)
    context.progress(0.7, "Measuring the quality of the groups")
    silhouettes, quality = _quality(features.matrix, grouping, outside, inputs.seed, context)
    context.progress(0.85, "Describing each group")
    clusters = [
        _describe(number, table, features, grouping, outside, silhouettes) for number in range(len(grouping.centres))
    ]
    context.progress(0.93, "Placing rows on a plane")
    points, axes = _plane(table, features, grouping, outside, inputs.seed)
    outliers = _outliers(table, features, grouping, distance, outside)
    return TableClustersOutput(
        summary=_summary(table, clusters, quality, int(outside.sum())),
        rows=table.row_count,
        clusters=clusters,
        assignments=[int(label) for label in grouping.labels],
        outliers=outliers,
        outlier_count=int(outside.sum()),
        points=points,
        axes=axes,
        quality=quality,
        trials=grouping.trials,
        columns=[_column_report(column) for column in columns],
        notes=_notes(features, quality, len(outliers), int(outside.sum()), table.row_count),
    )


def files(inputs: TableClustersInput, output: TableClustersOutput) -> Sequence[File]:
    """Every row with its group."""
    table = read_table(inputs, min_rows=MIN_ROWS)
    rows = ((table.label(row), group, *table.record(row).values()) for row, group in enumerate(output.assignments))
    return (File("assignments.csv", csv_text(("label", "cluster", *table.record(0)), rows), CONTENT_TYPE),)


def _column_report(column: Column) -> ColumnReport:
    return ColumnReport(
        name=column.name,
        kind=column.kind,
        used=column.usable,
        missing=column.missing,
        distinct=column.distinct,
        note=column.note,
    )


def _group(
    matrix: NDArray[np.float64], outside: NDArray[np.bool_], inputs: TableClustersInput, context: RunContext
) -> _Grouping:
    import numpy as np
    from sklearn.metrics import silhouette_score

    inside = matrix[~outside]
    max_count = min(inputs.max_clusters, len(np.unique(inside, axis=0)) - 1, max(2, len(inside) // 3))
    counts = [inputs.clusters] if inputs.clusters is not None else list(range(2, max(2, max_count) + 1))
    best: tuple[float, Any] | None = None
    trials: list[Trial] = []
    for done, count in enumerate(counts):
        if count >= len(np.unique(inside, axis=0)):
            raise WorkflowInputError("TOO_MANY_CLUSTERS", f"{count} groups need more different rows.", path="clusters")
        model = kmeans(count, inputs.seed).fit(inside)
        score = float(
            silhouette_score(
                inside, model.labels_, sample_size=min(SILHOUETTE_ROWS, len(inside)), random_state=inputs.seed
            )
        )
        trials.append(Trial(clusters=count, silhouette=round(score, 4)))
        context.progress(0.25 + 0.45 * (done + 1) / len(counts), f"{count} groups: silhouette {score:.2f}")
        # A larger number of groups has to earn its keep: the silhouette is an estimate from a sample.
        if best is None or score > best[0] + 0.01:
            best = (score, model)
    assert best is not None
    model = best[1]
    labels = model.predict(matrix)
    order = [number for number, _ in sorted(Counter(labels.tolist()).items(), key=lambda item: (-item[1], item[0]))]
    renumbered = np.empty(len(model.cluster_centers_), dtype=np.int64)
    renumbered[order] = np.arange(len(order))
    return _Grouping(labels=renumbered[labels], centres=model.cluster_centers_[order], trials=trials)


def _quality(
    matrix: NDArray[np.float64], grouping: _Grouping, outside: NDArray[np.bool_], seed: int, context: RunContext
) -> tuple[dict[int, float], Quality]:
    import numpy as np
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_samples

    inside, labels = matrix[~outside], grouping.labels[~outside]
    generator = np.random.default_rng(seed)
    sample = generator.permutation(len(inside))[:SILHOUETTE_ROWS]
    if len(np.unique(labels[sample])) < 2:
        sample = np.arange(len(inside))
    each = silhouette_samples(inside[sample], labels[sample])
    silhouettes = {int(number): float(each[labels[sample] == number].mean()) for number in np.unique(labels[sample])}
    overall = float(each.mean())
    context.check_cancelled()
    quality = Quality(
        structure=next(word for floor, word in VERDICTS if overall >= floor),
        silhouette=round(overall, 4),
        calinski_harabasz=round(float(calinski_harabasz_score(inside, labels)), 2),
        davies_bouldin=round(float(davies_bouldin_score(inside, labels)), 4),
        stability=round(stability(inside, len(grouping.centres), seed, context), 4),
    )
    return silhouettes, quality


def _describe(
    number: int,
    table: Table,
    features: Features,
    grouping: _Grouping,
    outside: NDArray[np.bool_],
    silhouettes: dict[int, float],
) -> Cluster:
    import numpy as np

    members = np.flatnonzero(grouping.labels == number)
    core = members[~outside[members]]
    differences = [
        difference
        for place, column in enumerate(features.columns)
        if (difference := _difference(place, column, features, core)) is not None
    ]
    differences.sort(key=lambda difference: -abs(difference.effect))
    distances = np.linalg.norm(features.matrix[core] - grouping.centres[number], axis=1)
    typical = int(core[int(np.argmin(distances))])
    return Cluster(
        cluster=number,
        name=_name(differences),
        size=len(members),
        share=round(len(members) / table.row_count, 4),
        cohesion=round(silhouettes[number], 4) if number in silhouettes else None,
        differences=differences[:8],
        typical_row=typical,
        typical=table.record(typical),
    )


def _name(differences: list[Difference]) -> str:
    return ", ".join(difference.text.split(":")[0] for difference in differences[:2]) or "average rows"


def _difference(place: int, column: Column, features: Features, members: NDArray[np.int64]) -> Difference | None:
    """Difference that sets the members apart by this column; None where there is none."""
    import numpy as np

    if column.numbers is not None:
        own = [value for index in members if (value := column.numbers[index]) is not None]
        everyone = [value for value in column.numbers if value is not None]
        if not own:
            return None
        feature = features.matrix[:, features.of_column(place)[0]]
        effect = float(feature[members].mean() - feature.mean())
        if abs(effect) < TELLING:
            return None
        typical, overall = float(np.median(own)), float(np.median(everyone))
        if column.kind == "boolean":
            typical, overall = float(np.mean(own)), float(np.mean(everyone))
        mine, all_rows = column.show(typical), column.show(overall)
        words = {"date": ("late", "early"), "boolean": ("mostly yes", "mostly no")}
        high, low = words.get(column.kind, ("high", "low"))
        degree = "very " if abs(effect) >= 1.5 and column.kind != "boolean" else ""
        text = f"{column.name} {degree}{high if effect > 0 else low}: {mine}, overall {all_rows}"
        return Difference(
            column=column.name, text=text, effect=round(effect, 4), cluster_value=mine, overall_value=all_rows
        )
    levels = [level if level is not None else "(missing)" for level in column.levels or ()]
    inside, overall_counts = Counter(levels[index] for index in members), Counter(levels)
    shares = {level: (inside[level] / len(members), overall_counts[level] / len(levels)) for level in overall_counts}
    level = max(sorted(shares), key=lambda name: shares[name][0] - shares[name][1])
    share, usual = shares[level]
    if share - usual < 0.15:
        return None
    return Difference(
        column=column.name,
        text=f"{column.name} {'always' if share == 1 else 'mostly' if share > 0.5 else 'often'} "
        f"{level[:60]}: {share:.0%}, overall {usual:.0%}",
        effect=round(share - usual, 4),
        cluster_value=f"{level[:60]} ({share:.0%})",
        overall_value=f"{usual:.0%}",
    )


def _outliers(
    table: Table,
    features: Features,
    grouping: _Grouping,
    distance: NDArray[np.float64],
    outside: NDArray[np.bool_],
) -> list[Outlier]:
    import numpy as np

    farthest = sorted(np.flatnonzero(outside), key=lambda row: (-distance[row], row))[:SHOWN_OUTLIERS]
    listed = []
    for row in farthest:
        cluster = int(grouping.labels[row])
        gap = features.matrix[row] - grouping.centres[cluster]
        strength = [float(np.abs(gap[features.of_column(place)]).max()) for place in range(len(features.columns))]
        order = sorted(range(len(strength)), key=lambda place: -strength[place])
        reasons = []
        for place in order[:3]:
            if strength[place] < max(0.5, 0.3 * strength[order[0]]):
                break
            column = features.columns[place]
            reasons.append(f"{column.name} is {column.say(int(row))}{_usual(column)}")
        listed.append(
            Outlier(
                row=int(row),
                label=table.label(int(row)),
                cluster=cluster,
                isolation=round(float(distance[row]), 3),
                reasons=reasons,
            )
        )
    return listed


def _usual(column: Column) -> str:
    import numpy as np

    if column.numbers is None or column.kind == "boolean":
        return ""
    low, high = np.percentile([value for value in column.numbers if value is not None], [5, 95])
    return f"; most rows are within {column.show(float(low))} and {column.show(float(high))}"


def _plane(
    table: Table, features: Features, grouping: _Grouping, outside: NDArray[np.bool_], seed: int
) -> tuple[list[Point], list[Axis]]:
    """The two directions in which the rows differ most; of many rows an even sample and every outlier."""
    import numpy as np
    from sklearn.decomposition import PCA

    dimensions = min(2, features.matrix.shape[1])
    model = PCA(n_components=dimensions, svd_solver="full").fit(features.matrix[~outside])
    placed = model.transform(features.matrix)
    if dimensions == 1:
        placed = np.column_stack([placed, np.zeros(len(placed))])
    rows = np.arange(table.row_count)
    if len(rows) > PLOTTED_ROWS:
        chosen = np.random.default_rng(seed).choice(len(rows), PLOTTED_ROWS, replace=False)
        rows = np.union1d(chosen, np.flatnonzero(outside))
    points = [
        Point(
            row=int(row),
            label=table.label(int(row))[:60],
            cluster=int(grouping.labels[row]),
            x=round(float(placed[row, 0]), 4),
            y=round(float(placed[row, 1]), 4),
            outlier=bool(outside[row]),
        )
        for row in rows
    ]
    axes = []
    for component, explained in zip(model.components_, model.explained_variance_ratio_, strict=True):
        weights: defaultdict[str, float] = defaultdict(float)
        for index, weight in enumerate(component):
            weights[features.columns[features.owner[index]].name] += abs(float(weight))
        axes.append(
            Axis(explained=round(float(explained), 4), columns=sorted(weights, key=lambda name: -weights[name])[:3])
        )
    return points, axes


def _notes(features: Features, quality: Quality, shown: int, outside: int, rows: int) -> list[str]:
    notes = list(features.notes)
    if quality.structure in ("weak", "none"):
        notes.append("The groups overlap: read them as regions of one cloud rather than as kinds of rows.")
    if quality.stability < 0.6:
        notes.append("Halves of the table give rather different groups; more rows or fewer columns may help.")
    if shown < outside:
        notes.append(f"{shown} of {outside} outliers are listed.")
    if rows > PLOTTED_ROWS:
        notes.append(f"The points to plot are a sample of {PLOTTED_ROWS} rows and every outlier.")
    return notes


def _summary(table: Table, clusters: list[Cluster], quality: Quality, outside: int) -> str:
    parts = "; ".join(f"{cluster.size} rows with {cluster.name}" for cluster in clusters[:4])
    more = f" and {len(clusters) - 4} more" if len(clusters) > 4 else ""
    text = f"{table.row_count} rows fall into {len(clusters)} groups ({quality.structure} structure, silhouette "
    text += f"{plain(quality.silhouette)}): {parts}{more}."
    return text + (f" {outside} rows fit nowhere." if outside else "")


WORKFLOW = FunctionWorkflow(
    slug="table-clusters",
    name="Table clusters",
    summary="Finds groups of similar rows in a table and says in words what sets each apart.",
    description=(
        "Give it rows of JSON or CSV text. Column types are recognised, gaps filled, numbers scaled, long tails tamed "
        "and categories encoded; rows far from all others are set aside; k-means groups the rest, the number of groups "
        "chosen by silhouette. You get a profile of each group, the outliers with reasons, coordinates to plot, and "
        "how far to trust it: silhouette, Calinski-Harabasz, Davies-Bouldin, and the stability over random halves."
    ),
    version="1.0.0",
    input_model=TableClustersInput,
    output_model=TableClustersOutput,
    function=run,
    to_files=files,
    tags=("table", "clustering", "segmentation"),
    libraries=("sklearn.cluster", "sklearn.decomposition", "sklearn.metrics", "sklearn.neighbors"),
)

_CUSTOMERS = """customer,age,visits_per_month,average_basket,channel
Ada,23,11,18.50,app
Ben,25,12,16.20,app
Cleo,22,14,15.90,app
Dan,27,10,19.80,app
Eva,24,13,17.10,app
Finn,26,12,,app
Gil,21,15,14.70,web
Hana,58,2,142.00,store
Ivo,61,1,155.50,store
Jana,55,2,138.20,store
Kim,63,3,149.90,store
Lea,59,2,161.00,store
Max,57,2,144.40,web
Nora,60,1,150.10,store
Otto,41,5,62.00,web
Pia,39,6,58.50,web
Quin,43,5,65.30,web
Rosa,38,6,60.70,web
Sam,42,4,67.80,web
Tess,40,5,59.90,app
Uma,44,5,64.40,web
Vito,40,6,900.00,web
"""

TEMPLATES = (
    Template(
        slug="customer-segments",
        name="Customer segments",
        description="Twenty-two customers of a shop: which kinds of customers are there, and who fits none?",
        tags=("customers", "segmentation"),
        parameters={"csv": _CUSTOMERS, "label_column": "customer"},
    ),
    Template(
        slug="server-profiles",
        name="Kinds of servers",
        description="Load of twelve machines as JSON rows, put into two groups.",
        tags=("operations",),
        parameters={
            "rows": [
                {"host": f"{kind}-{number}", "cpu": cpu, "memory_gb": memory, "requests_per_second": rate}
                for kind, machines in {
                    "web": (
                        (22, 7.5, 410),
                        (25, 8.1, 455),
                        (19, 7.2, 390),
                        (24, 7.9, 430),
                        (21, 7.4, 405),
                        (26, 8.3, 470),
                    ),
                    "batch": ((88, 30.2, 3), (92, 31.0, 2), (85, 28.9, 4), (90, 30.6, 1), (87, 29.4, 5), (94, 31.5, 2)),
                }.items()
                for number, (cpu, memory, rate) in enumerate(machines, start=1)
            ],
            "label_column": "host",
            "clusters": 2,
        },
    ),
)
