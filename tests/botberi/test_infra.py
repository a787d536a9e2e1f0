"""The compose files, the images, nginx, Prometheus and Grafana name only what exists."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from botberi import settings_table
from botberi.cli import app
from lab.checks import debian

ROOT = Path(__file__).parents[2]
REQUIRED = {
    *("postgres", "rabbitmq", "migrate", "seed", "identity", "catalog", "instance", "gateway"),
    *("broker", "dispatcher", "worker", "catalog-worker", "identity-worker", "beat", "nginx", "flower"),
    *("state", "prometheus", "alertmanager", "grafana"),
}
ONE_SHOT = {"state", "migrate", "seed"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return loaded


def test_all_services_are_there_on_one_network(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == REQUIRED
    assert set(compose["networks"]) == {"botberi_net"}
    for name, service in services.items():
        if name == "state":
            assert service["network_mode"] == "none"
        else:
            assert service["networks"] == ["botberi_net"], name
        assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped"), name
    assert services["nginx"]["ports"] == ["${BOTBERI_PUBLIC_PORT:-8080}:80"]
    assert services["flower"]["ports"] == ["127.0.0.1:4400:4400"]
    assert services["rabbitmq"]["ports"] == ["127.0.0.1:15672:15672"]


def test_containers_have_no_more_rights_and_room_than_they_use(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["pids_limit"] <= 1000, name
        assert service["mem_limit"], name
        # Those that begin as root need a few rights to become somebody else.
        assert not service.get("cap_add") or name in ("state", "postgres", "nginx"), name


def test_parts_are_in_a_profile_and_both_are_started_by_default(compose: dict[str, Any]) -> None:
    assert dict(assignments(ROOT / ".env"))["COMPOSE_PROFILES"] == "core,observability"
    watching = {name for name, service in compose["services"].items() if "core" not in service["profiles"]}
    assert watching == {"prometheus", "alertmanager", "grafana"}


def test_public_images_have_exact_tags(compose: dict[str, Any]) -> None:
    for file in ("compose.yaml", "compose.ha.yaml"):
        for image in re.findall(r"image: (\S+)", (ROOT / file).read_text()):
            assert image.startswith("botberi:") or re.search(r":v?\d+\.\d+", image), (file, image)
    assert "python:3.13.9-slim" in (ROOT / "infra/container/Dockerfile").read_text()


def test_what_can_say_that_it_works_is_asked(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if name not in (*ONE_SHOT, "beat", "flower"):
            assert service["healthcheck"]["test"], name
            assert service["healthcheck"]["test"][1] != "botberi", "the command line takes seconds of CPU to start"


def test_production_has_a_file_for_every_secret_and_no_value_of_development() -> None:
    text = (ROOT / "compose.prod.yaml").read_text()
    named = set(re.findall(r"^  (\w+): \{ file: \"\$\{BOTBERI_SECRETS:-./secrets\}/(?:\w+)\" \}$", text, re.MULTILINE))
    used = {
        name
        for path in (ROOT / "env/prod").glob("*.env.template")
        for name in re.findall(r"=/run/secrets/(\w+)$", path.read_text(), re.MULTILINE)
    }
    assert used == named
    assert "env/dev" not in text
    script = (ROOT / "infra/make_secrets.sh").read_text()
    for name in named:
        assert name in script or re.fullmatch(r"rabbitmq_\w+_password", name), name


def test_the_script_makes_every_secret_once(tmp_path: Path) -> None:
    command = [str(ROOT / "infra/make_secrets.sh"), str(tmp_path / "secrets"), "db.internal:5432"]
    first = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    kept = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    named = set(re.findall(r"^  (\w+): \{ file:", (ROOT / "compose.prod.yaml").read_text(), re.MULTILINE))
    assert named <= set(kept)
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    assert subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout == first
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == kept
    assert len(set(re.findall(r"PASSWORD '(\w{48})'", first))) == 8
    assert "CREATE ROLE botberi_catalog" in first


def test_commands_exist_in_the_command_line(compose: dict[str, Any]) -> None:
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    for name, service in compose["services"].items():
        for command in (service.get("command"), service.get("healthcheck", {}).get("test", [])[1:]):
            if command and command[0] == "botberi":
                assert command[1] in commands, name


def test_what_is_referred_to_exists(compose: dict[str, Any]) -> None:
    made = "".join(compose["services"]["state"]["command"]) + " /data/rabbitmq"
    for name, service in compose["services"].items():
        for path in service.get("env_file", []):
            dev = ROOT / path.replace("${BOTBERI_ENV:-dev}", "dev")
            assert dev.is_file(), (name, path)
            prod = ROOT / (path.replace("${BOTBERI_ENV:-dev}", "prod") + ".template")
            assert prod.is_file(), (name, path)
        for mount in service.get("volumes", []):
            if mount.startswith(data := "${BOTBERI_DATA:-./docker-data}"):
                folder = mount.removeprefix(data).split(":")[0]
                assert f"/data{folder}" in made, (name, mount)
            else:
                source = mount.split(":")[0]
                assert (ROOT / source).exists(), (name, source)
        if "build" in service:
            assert (ROOT / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


def test_dependencies_can_be_waited_for(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        for other, wanted in service.get("depends_on", {}).items():
            assert wanted["condition"] in CONDITIONS, (name, other)
            if wanted["condition"] == "service_healthy":
                assert services[other].get("healthcheck", {}).get("test"), (name, other)
            if wanted["condition"] == "service_completed_successfully":
                assert other in ONE_SHOT, (name, other)


def test_the_subgraphs_listen_where_they_are_looked_for(compose: dict[str, Any]) -> None:
    gateway = environment("gateway")
    for name in ("identity", "catalog", "instance"):
        port = environment(name)["BOTBERI_PORT"]
        assert gateway[f"BOTBERI_{name.upper()}_URL"] == f"http://{name}:{port}"
        assert compose["services"][name]["healthcheck"]["test"] == ["CMD", "healthy", port, "/health"]


def test_templates_for_production_hold_no_secret() -> None:
    secret = re.compile(r"(PASS(WORD)?|AUTH|_URL)$")
    for path in (ROOT / "env/prod").glob("*.env.template"):
        for name, value in assignments(path):
            if secret.search(name) and not value.startswith("http://"):
                assert value == "", f"{path.name}: {name}"


def test_dashboards_and_alerts_ask_for_metrics_that_exist() -> None:
    known = metric_names()
    asked = set(asked_metrics())
    assert len(asked) > 10
    assert asked - known == set()


def test_prometheus_scrapes_services_on_ports_that_they_have(compose: dict[str, Any]) -> None:
    config = yaml.safe_load((ROOT / "infra/prometheus/prometheus.yml").read_text())
    for job in config["scrape_configs"]:
        by_name = [f"{name}:{found['port']}" for found in job.get("dns_sd_configs", []) for name in found["names"]]
        for target in [*(job["static_configs"][0]["targets"] if "static_configs" in job else []), *by_name]:
            service, port = target.split(":")
            if service == "127.0.0.1":
                continue
            assert service in compose["services"], target
            if service in ("identity", "catalog", "instance", "gateway"):
                assert environment(service)["BOTBERI_PORT"] == port
            if service in ("broker", "dispatcher", "worker", "catalog-worker", "identity-worker"):
                assert "env/${BOTBERI_ENV:-dev}/metrics.env" in compose["services"][service]["env_file"]
                assert environment("metrics")["BOTBERI_METRICS_PORT"] == port


@pytest.mark.parametrize(("file", "user"), [("Dockerfile", "botberi"), ("gateway.Dockerfile", "10001")])
def test_the_image_copies_what_exists(file: str, user: str) -> None:
    text = (ROOT / "infra/container" / file).read_text()
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        *sources, _ = line.split()
        for source in sources:
            assert (ROOT / source).exists(), source
    assert f"USER {user}" in text


@pytest.mark.skipif(debian.nginx() is None, reason="no nginx: install Debian's nginx")
def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    # The gateway's name exists only inside the network.
    text = (ROOT / "infra/nginx/nginx.conf").read_text().replace("gateway:8080", "127.0.0.1:8080")
    (tmp_path / "nginx.conf").write_text(text.replace("/tmp/nginx.pid", f"{tmp_path}/nginx.pid"))
    command = [str(debian.nginx()), "-t", "-q", "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def environment(name: str) -> dict[str, str]:
    return dict(assignments(ROOT / f"env/dev/{name}.env"))


def assignments(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            name, separator, value = line.partition("=")
            assert separator, f"{path.name}: {line}"
            yield name, value


def asked_metrics() -> Iterator[str]:
    boards = [json.loads(path.read_text()) for path in (ROOT / "infra/grafana/dashboards").glob("*.json")]
    expressions = [target["expr"] for board in boards for panel in board["panels"] for target in panel["targets"]]
    for file in ("rules.yml", "alerts.yml"):
        rules = yaml.safe_load((ROOT / "infra/prometheus" / file).read_text())
        expressions += [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    for expression in expressions:
        yield from re.findall(r"\b(?:gateway|botberi)_[a-z0-9_]+", expression)


def metric_names() -> set[str]:
    """Every metric that our code exports, as Prometheus calls it."""
    from prometheus_client import REGISTRY

    import event_broker.metrics
    import workers.metrics  # noqa: F401 - imported for what it registers
    from botberi_gateway.server.metrics import Metrics
    from gateway.tests.support.toy_graph import toy_gateway
    from subgraphs.common.metrics import SubgraphMetrics
    from workers import worker_metrics

    assert event_broker.metrics
    assert worker_metrics._metrics()
    names: set[str] = set()
    for registry in (REGISTRY, Metrics(toy_gateway()).registry, SubgraphMetrics("any").registry):
        for metric in registry.collect():
            suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(metric.type, ("",))
            names |= {metric.name + suffix for suffix in suffixes}
    return names


def test_the_settings_named_in_compose_are_known() -> None:
    text = (ROOT / "compose.yaml").read_text()
    own = {"BOTBERI_ENV", "BOTBERI_TAG", "BOTBERI_PUBLIC_PORT", "BOTBERI_DATA"}
    assert set(re.findall(r"BOTBERI_[A-Z_]+", text)) - own <= set(settings_table.settings())
