"""The words of each text -> topics, as many as part the texts best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# A topic more has to part the texts this much better: the silhouette is an estimate.
BETTER_BY = 0.01


@dataclass(frozen=True, slots=True)
class FoundTopics:
    """`loads[text, topic]`, `components[topic, term]`, and the main topic of each text."""

    separation: float
    terms: Any
    loads: NDArray[np.float64]
    components: NDArray[np.float64]
    mains: list[int | None]


def find_topics(
    documents: list[list[str]], *, max_topics: int, seed: int, tell: Callable[[float, int], None]
) -> FoundTopics | None:
    """NMF of TF-IDF for each number of topics; None when the texts share no words."""
    import numpy as np
    from sklearn.decomposition import NMF
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        analyzer=_as_they_are,
        min_df=2,
        max_df=0.8 if len(documents) > 10 else 1.0,
        max_features=5_000,
        sublinear_tf=True,
    )
    try:
        weighted = vectorizer.fit_transform(documents)
    except ValueError:  # no word occurs in two texts
        return None
    largest = min(max_topics, len(documents) // 3, min(weighted.shape))
    best: FoundTopics | None = None
    for count in range(min(2, largest), largest + 1):
        tell(count / (largest + 1), count)
        model = NMF(n_components=count, init="nndsvda", random_state=seed, max_iter=400, tol=1e-3)
        # What is left over of a perfect fit may be, by rounding, the root of a number just below zero.
        with np.errstate(invalid="ignore"):
            loads = model.fit_transform(weighted)
        mains = [int(np.argmax(row)) if row.max() > 0 else None for row in loads]
        separation = _separation(weighted, mains)
        if best is None or separation > best.separation + BETTER_BY:
            best = FoundTopics(separation, vectorizer.get_feature_names_out(), loads, model.components_, mains)
    return best


def _as_they_are(tokens: list[str]) -> list[str]:
    return tokens


def _separation(weighted: Any, mains: list[int | None]) -> float:
    """How much nearer texts are to their own topic's texts than to the next topic's."""
    from sklearn.metrics import silhouette_score

    labels = [-1 if main is None else main for main in mains]
    if not 1 < len(set(labels)) < len(labels):
        return -1.0
    return float(silhouette_score(weighted, labels, metric="cosine"))
