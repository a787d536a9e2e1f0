"""`../shared/conformance`: other projects' cases, which are not part of the repository.

Tests on them are skipped where they aren't there.
"""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[4] / "shared" / "conformance"


def needs(folder: Path, adds: str) -> pytest.MarkDecorator:
    """The mark of a test that reads `folder`.

    `adds` says in a few words what the test would add to the repository's own cases.
    """
    return pytest.mark.skipif(
        not folder.is_dir(), reason=f"no ../shared/{folder.relative_to(SHARED.parent)}: it would add {adds}"
    )
