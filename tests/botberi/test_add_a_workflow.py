"""The how-to "Add a workflow", followed from its text in a copy of the project: tests, seed, and a run."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.platform.clients import Client
from tests.platform.running import ROOT, RunningPlatform, clean_environment
from tests.platform.test_instances import start, watch

pytestmark = [pytest.mark.platform, pytest.mark.timeout(400)]

GUIDE = (ROOT / "docs/how-to/add-a-workflow.md").read_text()
WORKFLOW, REGISTRY, TEST = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
[COMMANDS] = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The project as git has it, with what the guide says written into it."""
    # Where root's Postgres, which runs as another user, can enter.
    folder = Path(f"/tmp/{tmp_path_factory.mktemp('guide').name}-{id(GUIDE)}")
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.split(b"\0")
    for name in filter(None, map(bytes.decode, tracked)):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    assert "Write `workers/workflows/word_count.py`" in GUIDE
    (folder / "workers/workflows/word_count.py").write_text(WORKFLOW)
    assert "Write `tests/workers/test_word_count.py`" in GUIDE
    (folder / "tests/workers/test_word_count.py").write_text(TEST)
    registry = folder / "workers/registry.py"
    text = registry.read_text()
    for line in filter(None, REGISTRY.splitlines()):
        beginning = line.partition("=")[0] if "=" in line else line.partition(" import ")[0]
        text, changed = re.subn(rf"^{re.escape(beginning)}.*$", line, text, count=1, flags=re.MULTILINE)
        assert changed == 1, f"the registry has no line that begins like {line!r}"
    registry.write_text(text)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def environment(copy: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This environment's packages, the copy's own modules."""
    return {"PYTHONPATH": str(copy), **(extra or {})}


def test_the_tests_of_the_guide_pass(copy: Path) -> None:
    program, *files = COMMANDS.split()
    assert program == "./test"
    # Of the tests of all workflows those of this one: the others' are run where they are.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    command += ["-k", "word_count or proverb or describes or registry or commonest"]
    done = subprocess.run(
        command,
        cwd=copy,
        env=clean_environment(environment(copy)),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"[6-9] passed|\d\d passed", done.stdout), done.stdout


async def test_the_seed_writes_it_and_a_worker_runs_it(copy: Path) -> None:
    with RunningPlatform(environment=environment(copy), cwd=copy) as platform:
        seed = subprocess.run(  # noqa: ASYNC221 - nothing else happens meanwhile
            [sys.executable, "-m", "botberi.cli", "seed"],
            cwd=copy,
            env=clean_environment(environment(copy, {"BOTBERI_STATE_DIR": str(platform.state_dir)})),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert seed.returncode == 0, seed.stderr
        async with Client(platform.url) as client:
            client.token = await client.sign_in(*platform.password("user"))
            agent = (await client.ask('{ agent(slug: "word-count") { name templates { nodes { slug } } } }'))["agent"]
            assert agent == {"name": "Word count", "templates": {"nodes": [{"slug": "count-a-proverb"}]}}
            events = await watch(client, await start(client, "word-count", {"text": "to be or not to be", "top": 1}))
            assert events[-1]["status"] == "SUCCEEDED"
            assert events[-1]["result"]["words"] == [{"word": "to", "count": 2}]
