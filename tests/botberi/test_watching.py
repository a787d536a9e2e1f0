"""Alerts, rules and dashboards: each alert is tried on sample series and has its page; files are what the code says."""

import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.platform.running import ROOT

PROMETHEUS = ROOT / "infra/prometheus"
GRAFANA = ROOT / "infra/grafana"
RUNBOOKS = ROOT / "docs/operations/runbooks"
HAS_PROMTOOL = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool: install Debian's prometheus")


def alerts() -> list[dict[str, Any]]:
    loaded = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def promtool(*arguments: str) -> None:
    done = subprocess.run(
        ["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@HAS_PROMTOOL
def test_prometheus_takes_its_rules() -> None:
    promtool("check", "rules", "rules.yml", "alerts.yml")


@HAS_PROMTOOL
def test_alerts_fire_on_their_sample_series_and_not_on_healthy_ones() -> None:
    promtool("test", "rules", "rules_test.yml")


def test_every_alert_is_tried_both_ways_and_has_a_runbook_and_a_line_on_the_page() -> None:
    tests = yaml.safe_load((PROMETHEUS / "rules_test.yml").read_text())["tests"]
    silent = {each["alertname"] for test in tests for each in test.get("alert_rule_test", ()) if not each["exp_alerts"]}
    fired = {test["name"] for test in tests if any(each["exp_samples"] for each in test.get("promql_expr_test", ()))}
    names = {alert["alert"] for alert in alerts()}
    assert len(names) > 20
    assert silent == fired == names
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == names
    page = (ROOT / "docs/operations/alerts.md").read_text()
    for alert in alerts():
        assert alert["annotations"]["runbook"] == f"docs/operations/runbooks/{alert['alert']}.md"
        assert alert["labels"]["severity"] in ("page", "ticket")
        line = f"| [{alert['alert']}](runbooks/{alert['alert']}.md) | {alert['labels']['severity']} | "
        assert line + f"{alert.get('for', 'at once')} |" in page


def test_dashboards_are_what_the_program_writes() -> None:
    code = runpy.run_path(str(GRAFANA / "dashboards.py"))
    written = {path.stem: path.read_text() for path in (GRAFANA / "dashboards").glob("*.json")}
    assert written == {name: code["text"](name) for name in code["DASHBOARDS"]}


def test_the_alertmanagers_file_names_alerts_that_exist(tmp_path: Path) -> None:
    loaded = yaml.safe_load((ROOT / "infra/alertmanager/alertmanager.yml").read_text())
    names = {alert["alert"] for alert in alerts()}
    for rule in loaded["inhibit_rules"]:
        for matcher in rule["source_matchers"]:
            assert matcher.split("=")[1].strip('"') in names
    assert {route["receiver"] for route in [loaded["route"]]} <= {receiver["name"] for receiver in loaded["receivers"]}
