"""The release command, in a clone: what it changes, what it refuses, and that a failed one leaves nothing behind."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from botberi_gateway.transport.graphiql import build as graphiql
from lab.release import PROJECTS, ReleaseError, Repository
from tests.platform.running import ROOT

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout: nothing to clone")

VERSION = "0.9.0"


@pytest.fixture
def clone(tmp_path: Path) -> Repository:
    """What is committed, with one fragment more, and the files of GraphiQL that stand beside the sources."""
    root = tmp_path / "clone"
    git(ROOT, "clone", "--quiet", "--no-hardlinks", str(ROOT), str(root))
    git(root, "config", "user.name", "Test")
    git(root, "config", "user.email", "test@example.org")
    (root / "changes" / "first.added.md").write_text("Something that is new.\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "Something new")
    return Repository(root)


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout.strip()


def with_graphiql(repository: Repository) -> None:
    """Stand-ins of GraphiQL's files, as if they were built of these sources."""
    if not graphiql.is_built():
        pytest.skip("GraphiQL is not built: python -m botberi_gateway.transport.graphiql.build")
    there = graphiql.DIST.relative_to(ROOT)
    target = repository.root / there
    target.mkdir(parents=True)
    for path in graphiql.DIST.iterdir():
        if path.is_file():
            (target / path.name).write_bytes(path.read_bytes())


def test_a_release_is_a_section_a_version_a_commit_a_tag_and_files(clone: Repository) -> None:
    with_graphiql(clone)
    before = clone.git("rev-parse", "HEAD")
    wheel, archive = clone.release(VERSION)
    assert set(clone.versions().values()) == {VERSION}
    changelog = (clone.root / "CHANGELOG.md").read_text()
    section = changelog.split(f"## {VERSION} (", 1)[1].split("\n## ", 1)[0]
    assert "### Added" in section
    assert "- Something that is new.\n" in section
    assert clone.fragments() == ()
    assert (clone.root / "changes" / "README.md").is_file()
    assert clone.git("describe", "--exact-match") == f"v{VERSION}"
    assert clone.git("log", "-1", "--format=%s") == f"Release {VERSION}"
    assert clone.git("rev-parse", "HEAD~1") == before
    assert clone.git("status", "--porcelain") == ""
    assert archive.name == f"botberi_gateway-{VERSION}.tar.gz"
    with zipfile.ZipFile(wheel) as opened:
        metadata = opened.read(f"botberi_gateway-{VERSION}.dist-info/METADATA").decode()
    assert f"\nVersion: {VERSION}\n" in metadata
    with pytest.raises(ReleaseError, match="tag"):
        clone.check(VERSION)
    with pytest.raises(ReleaseError, match="no fragment"):
        clone.check("0.9.1")


def test_a_release_that_fails_leaves_nothing_behind(clone: Repository) -> None:
    before = clone.git("rev-parse", "HEAD"), clone.versions(), clone.fragments()
    with pytest.raises(ReleaseError, match="GraphiQL is not built"):
        clone.release(VERSION)
    assert (clone.git("rev-parse", "HEAD"), clone.versions(), clone.fragments()) == before
    assert clone.git("status", "--porcelain") == ""
    assert clone.git("tag", "--list") == git(ROOT, "tag", "--list")


def test_what_is_refused(clone: Repository) -> None:
    for version, reason in (("0.9", "three numbers"), ("v0.9.0", "three numbers"), ("0.0.1", "older")):
        with pytest.raises(ReleaseError, match=reason):
            clone.check(version)
    (clone.root / "new.txt").write_text("")
    with pytest.raises(ReleaseError, match="not committed"):
        clone.check(VERSION)
    (clone.root / "new.txt").unlink()
    project = clone.root / PROJECTS[1]
    project.write_text(project.read_text().replace('\nversion = "', '\nversion = "7', 1))
    with pytest.raises(ReleaseError, match="different versions"):
        clone.check(VERSION)


def test_every_fragment_has_a_kind_that_the_changelog_has() -> None:
    for name in Repository().fragments():
        assert name.split(".")[1:-1][0] in {"added", "changed", "fixed", "removed", "security"}, name
        assert name.count(".") == 2, name
