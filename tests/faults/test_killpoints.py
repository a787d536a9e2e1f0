"""Kill points: each is in the code once, costs nothing while off, kills once while on, and is refused in production."""

import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from shared_schema import killpoints
from tests.platform.running import clean_environment

ROOT = Path(__file__).parents[2]
REACH = "from shared_schema import killpoints; killpoints.reach('relay.read'); print('alive')"


def python(code: str, environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=clean_environment(environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_code_reaches_every_point_at_one_place() -> None:
    found: Counter[str] = Counter()
    for package in ("botberi", "event_broker", "subgraphs", "workers"):
        for file in (ROOT / package).rglob("*.py"):
            found.update(re.findall(r'killpoints\.reach\("([^"]+)"\)', file.read_text()))
    assert found == Counter(dict.fromkeys(killpoints.POINTS, 1))
    assert len(found) >= 20


def test_off_it_is_a_call_of_nothing() -> None:
    done = python(REACH, {})
    assert (done.returncode, done.stdout.strip()) == (0, "alive")


def test_a_point_that_is_set_kills_the_first_to_come_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "relay.read").touch()
    armed = {killpoints.VARIABLE: str(tmp_path)}
    assert python(REACH, armed).returncode == -signal.SIGKILL
    assert not (tmp_path / "relay.read").exists()
    assert python(REACH, armed).stdout.strip() == "alive"


def test_another_point_does_not_kill(tmp_path: Path) -> None:
    (tmp_path / "relay.marked").touch()
    assert python(REACH, {killpoints.VARIABLE: str(tmp_path)}).returncode == 0
    assert (tmp_path / "relay.marked").exists()


def test_a_name_that_is_no_point_is_a_mistake(tmp_path: Path) -> None:
    done = python(REACH.replace("relay.read", "relay.raed"), {killpoints.VARIABLE: str(tmp_path)})
    assert "relay.raed is no kill point" in done.stderr


def test_production_refuses_them(tmp_path: Path) -> None:
    done = python(REACH, {killpoints.VARIABLE: str(tmp_path), killpoints.ENVIRONMENT: "prod"})
    assert done.returncode == 1
    assert killpoints.VARIABLE in done.stderr


def test_every_part_in_production_says_that_it_is() -> None:
    """A template that sets how a part logs is a part's own."""
    for file in (ROOT / "env/prod").glob("*.env.template"):
        text = file.read_text()
        assert ("BOTBERI_LOG_FORMAT" in text) == (f"{killpoints.ENVIRONMENT}=prod" in text), file.name


def test_the_page_lists_every_point() -> None:
    page = (ROOT / "docs/operations/faults.md").read_text()
    assert re.findall(r"^\| `(\w+\.\w+)` \| (.+) \|$", page, re.MULTILINE) == list(killpoints.POINTS.items())
