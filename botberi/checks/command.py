"""Arguments of `botberi test` -> everything checked, the exit code of the whole."""

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from botberi.checks import debian, plugin
from botberi.checks.steps import Background, Outcome, Step

_ROOT: Final = Path(__file__).parents[2]
_PACKAGES: Final = ("botberi", "gateway", "subgraphs", "shared_schema", "event_broker", "workers")


def run(arguments: Sequence[str]) -> int:
    """With arguments: pytest with them. Without: whatever is missing, linters, types, import rules, all tests."""
    os.chdir(_ROOT)
    return _everything() if not arguments else _pytest(list(arguments))


def _everything() -> int:
    background, outcomes = _prepare()
    outcomes += [_say(step.run()) for step in _linters()]
    installed = [_say(outcome) for outcome in background.wait()] if background else []
    outcomes += installed
    for what, tests in (("rabbitmq", "RabbitMQ"), ("browser", "browser"), ("wrong clocks", "wrong clocks")):
        if what == "rabbitmq" and os.environ.get("BOTBERI_TEST_AMQP_URL"):
            continue
        if not debian.has(what):
            outcomes.append(_say(_left_out(what, tests)))
    os.environ[plugin.LINES] = "\n".join(outcome.line() for outcome in outcomes)
    code = _pytest(["-p", "botberi.checks.plugin", "-n", "2", "--no-loadscope-reorder"])
    return code or int(any(not outcome.ok and not outcome.skipped for outcome in outcomes))


def _prepare() -> tuple[Background | None, list[Outcome]]:
    """Begin to install what is missing, beside the linters."""
    packages = debian.missing()
    steps: list[Step] = []
    if packages and debian.can_install():
        print(f"botberi test: installing {' and '.join(packages)} with apt-get, beside the linters", flush=True)
        steps += debian.install_steps(packages, _ROOT)
    steps.append(Step("GraphiQL", [sys.executable, "-m", "gateway.transport.graphiql.build"], _ROOT, 600))
    return Background(steps), []


def _linters() -> list[Step]:
    bin_dir = Path(sys.executable).parent
    return [
        Step("ruff check", [str(bin_dir / "ruff"), "check", "."], _ROOT, 120),
        Step("ruff format", [str(bin_dir / "ruff"), "format", "--check", "."], _ROOT, 120),
        Step("import rules", [str(bin_dir / "lint-imports")], _ROOT, 120),
        Step("mypy", [str(bin_dir / "mypy")], _ROOT, 600),
    ]


def _left_out(what: str, tests: str) -> Outcome:
    how = {
        "rabbitmq": "set BOTBERI_TEST_AMQP_URL or install rabbitmq-server",
        "browser": "install chromium",
        "wrong clocks": "install libfaketime",
    }
    return Outcome(f"{tests} tests", True, 0.0, skipped=f"{how[what]} to run them")


def _say(outcome: Outcome) -> Outcome:
    print(f"botberi test: {outcome.line()}", flush=True)
    if not outcome.ok:
        print(outcome.output.rstrip(), flush=True)
    return outcome


def _pytest(arguments: list[str]) -> int:
    import pytest

    with ExitStack():
        return int(pytest.main(arguments))
