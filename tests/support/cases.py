"""The folders of `gateway/tests/cases`: pairs of graph and operation that once failed, and kinds of graphs."""

from pathlib import Path

FOLDERS = sorted(
    path.parent for path in (Path(__file__).resolve().parents[2] / "gateway" / "tests" / "cases").glob("*/case.json")
)
