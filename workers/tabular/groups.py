"""A matrix of rows -> which lie far from all others, and how stable groups of the rest are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.workflow import RunContext

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# A row is out when it is this many robust deviations lonelier than usual (on the logarithm of the distance), and this
# many times as far.
LONELY = 4.0
TWICE = 2.5


def isolation(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """How lonely each row is, and which rows are out: found first, for one of them would become a group."""
    import numpy as np
    from sklearn.neighbors import NearestNeighbors

    neighbours = min(5, len(matrix) - 1)
    distances, _ = NearestNeighbors(n_neighbors=neighbours + 1).fit(matrix).kneighbors(matrix)
    far = distances[:, -1]
    usual = float(np.median(far))
    if usual == 0:
        usual = float(far[far > 0].mean()) if (far > 0).any() else 1.0
    ratio = far / usual
    logs = np.log(np.maximum(ratio, 1e-3))
    spread = max(1.4826 * float(np.median(np.abs(logs - np.median(logs)))), 0.08)
    outside = (logs > np.median(logs) + LONELY * spread) & (ratio > TWICE)
    if outside.sum() > 0.1 * len(matrix):  # so many are a group of their own
        outside[:] = False
    return ratio, outside


def alone(labels: NDArray[np.int64], groups: int, outside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The rows that are a group of one: k-means found an outlier."""
    import numpy as np

    sizes = np.bincount(labels[~outside], minlength=groups)
    lonely: NDArray[np.bool_] = (sizes[labels] == 1) & ~outside
    return lonely


def kmeans(count: int, seed: int) -> Any:
    """k-means as used throughout."""
    from sklearn.cluster import KMeans

    return KMeans(n_clusters=count, n_init=8, random_state=seed)


def stability(inside: NDArray[np.float64], count: int, seed: int, context: RunContext) -> float:
    """Cluster two random halves, let each label all rows, compare; the mean of three tries."""
    import numpy as np
    from sklearn.metrics import adjusted_rand_score

    generator = np.random.default_rng(seed + 1)
    agreements = []
    for _ in range(3):
        context.check_cancelled()
        shuffled = generator.permutation(len(inside))
        halves = shuffled[: len(inside) // 2], shuffled[len(inside) // 2 :]
        if any(len(np.unique(inside[half], axis=0)) < count for half in halves):
            continue
        first, second = (kmeans(count, seed).fit(inside[half]).predict(inside) for half in halves)
        agreements.append(float(adjusted_rand_score(first, second)))
    return float(np.mean(agreements)) if agreements else 0.0
