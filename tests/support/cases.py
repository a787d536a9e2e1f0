"""The folders of `tests/gateway/cases`: pairs of graph and operation that once failed, and kinds of graphs."""

from pathlib import Path

FOLDERS = sorted(
    path.parent for path in (Path(__file__).resolve().parents[1] / "gateway" / "cases").glob("*/case.json")
)
