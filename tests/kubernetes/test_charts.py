"""The Helm charts, rendered by Helm's own engine: valid for Kubernetes, and true to the code that they start."""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import typer.main
import yaml

from botberi.cli import app as cli
from botberi.parts.subgraphs import DEFAULT_PORTS
from botberi.settings_table import settings
from botberi_gateway.cli import app as gateway_cli

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("botberi-gateway")
CHARTS = ROOT / "infra" / "kubernetes"
PLATFORM = {
    "publicUrl": "https://botberi.example.com",
    "trustedProxies": ["10.1.0.0/16"],
    "mailFrom": "Botberi <botberi@example.com>",
}
GATEWAY = {"supergraph": "type Query { one: Int }"}
#: The oldest that the charts allow, and one that is new.
VERSIONS = ("1.29", "1.34")

Resource = dict[str, Any]


def rendered(chart: str, values: Mapping[str, Any]) -> list[Resource]:
    """Every resource of a release named `r`."""
    with helm_python.Chart.load(str(CHARTS / chart)) as loaded:
        texts = loaded.render(dict(values), name="r", namespace="n")
    documents = (d for name, text in texts.items() if name.endswith(".yaml") for d in yaml.safe_load_all(text))
    return [document for document in documents if document]


@cache
def platform() -> Sequence[Resource]:
    return rendered("botberi", PLATFORM)


def pods(resources: Sequence[Resource]) -> dict[str, Resource]:
    """Name of a Deployment or Job, without the release's -> its pod."""
    found = [r for r in resources if r["kind"] in ("Deployment", "Job")]
    return {r["metadata"]["name"].removeprefix("r-"): r["spec"]["template"]["spec"] for r in found}


def of_kind(resources: Sequence[Resource], kind: str) -> dict[str, Resource]:
    return {r["metadata"]["name"]: r for r in resources if r["kind"] == kind}


EVERYTHING = {
    "botberi": PLATFORM | {
        "image": {"repository": "images.example/botberi", "digest": f"sha256:{'0' * 64}", "pullSecrets": ["pull"]},
        "artifacts": {"url": "s3://files", "s3Endpoint": "https://s3.example", "s3SecretName": "s3"},
        "graphiql": True,
        "podAnnotations": {"a": "b"},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "spot", "operator": "Exists"}],
    },
    "gateway": GATEWAY | {
        "ingress": {"enabled": True},
        "networkPolicy": {
            "enabled": True,
            "fromNamespaces": [{"kubernetes.io/metadata.name": "web"}],
            "subgraphs": [{"cidr": "10.0.0.0/8", "port": 4001}],
        },
        "config": {"server": {"drain_timeout_seconds": 9.0}},
        "options": ["--wait"],
        "env": {"A": "b"},
        "secretEnv": "secret",
        "image": {"repository": "gateway", "pullSecrets": ["pull"]},
    },
}  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("chart", EVERYTHING)
@pytest.mark.parametrize("values", ["least", "everything"])
def test_every_resource_is_valid(chart: str, version: str, values: str) -> None:
    least = {"botberi": PLATFORM, "gateway": GATEWAY}
    resources = rendered(chart, (EVERYTHING if values == "everything" else least)[chart])
    assert {r["kind"] for r in resources} >= {"Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"}
    for resource in resources:
        kubernetes_validate.validate(resource, version, strict=True)


@pytest.mark.parametrize("chart", EVERYTHING)
def test_helms_own_lint_finds_no_error(chart: str, tmp_path: Path) -> None:
    """With values: the defaults leave out what must be set."""
    copy = tmp_path / chart
    subprocess.run(["cp", "-r", CHARTS / chart, copy], check=True)
    values = yaml.safe_load((copy / "values.yaml").read_text()) | {"botberi": PLATFORM, "gateway": GATEWAY}[chart]
    (copy / "values.yaml").write_text(yaml.safe_dump(values))
    assert helm_python.lint(str(copy))["errors"] == []


@pytest.mark.parametrize(
    ("chart", "values", "place"),
    [
        ("botberi", PLATFORM | {"publicUrl": "http://botberi.example.com"}, "/publicUrl"),
        ("botberi", PLATFORM | {"trustedProxies": []}, "/trustedProxies"),
        ("botberi", PLATFORM | {"partz": {}}, "partz"),
        ("botberi", PLATFORM | {"parts": {"beat": {"replicas": 2}}}, "/parts/beat/replicas"),
        ("botberi", PLATFORM | {"parts": {"gateway": {"env": {"lower": "x"}}}}, "'lower' does not match"),
        ("botberi", PLATFORM | {"artifacts": {"url": "file:///var/lib/botberi/artifacts"}}, "/artifacts/claimName"),
        ("botberi", PLATFORM | {"image": {"repository": "x", "digest": "latest"}}, "/image/digest"),
        ("gateway", {}, "oneOf"),
        ("gateway", GATEWAY | {"supergraphConfigMap": "both"}, "oneOf"),
        ("gateway", GATEWAY | {"replicas": 0}, "/replicas"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(chart: str, values: Mapping[str, Any], place: str) -> None:
    with pytest.raises(helm_python.HelmError, match=re.escape(place)):
        rendered(chart, values)


def test_each_command_is_composes_and_one_of_the_platforms() -> None:
    commands = set(typer.main.get_command(cli).commands)  # type: ignore[attr-defined]
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    for name, pod in pods(platform()).items():
        command = pod["containers"][0]["command"]
        assert command == compose[name]["command"]
        assert command[1] in commands


def test_every_service_of_compose_is_a_part_of_the_chart() -> None:
    """But those that a cluster has elsewhere."""
    services = set(yaml.safe_load((ROOT / "compose.yaml").read_text())["services"])
    elsewhere = {"state", "postgres", "rabbitmq", "nginx", "prometheus", "alertmanager", "grafana"}
    assert set(pods(platform())) == services - elsewhere


def test_ports_are_those_that_the_code_listens_on() -> None:
    ports = {n: p["containers"][0].get("ports", [{}])[0].get("containerPort") for n, p in pods(platform()).items()}
    for name, port in DEFAULT_PORTS.items():
        assert ports[name] == port
    services = of_kind(platform(), "Service")
    for name, pod in pods(platform()).items():
        port = ports[name]
        environment = {e["name"]: e.get("value") for e in pod["containers"][0]["env"]}
        if port is not None:
            assert services[f"r-{name}"]["spec"]["ports"][0]["port"] == port
            if name != "flower":
                assert str(port) in (environment.get("BOTBERI_PORT"), environment.get("BOTBERI_METRICS_PORT"))
    gateway = {e["name"]: e.get("value") for e in pods(platform())["gateway"]["containers"][0]["env"]}
    for name, port in DEFAULT_PORTS.items():
        assert gateway[f"BOTBERI_{name.upper()}_URL"] == f"http://r-{name}:{port}"


def test_probes_are_those_of_compose() -> None:
    """`/health` says whether it lives; what is asked before traffic comes is what compose's health checks ask."""
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    for name, pod in pods(platform()).items():
        container = pod["containers"][0]
        check = compose[name].get("healthcheck", {}).get("test")
        if check is None:
            continue
        _, _, port, path = check
        ready = container["readinessProbe"]["httpGet"]
        assert str(ready["port"]) == port
        assert ready["path"] in (path, "/ready")
        assert container["livenessProbe"]["httpGet"]["path"] == "/health"


def test_every_setting_is_one_that_the_platform_has() -> None:
    known = set(settings())
    for name, pod in pods(rendered("botberi", EVERYTHING["botberi"])).items():
        for entry in pod["containers"][0]["env"]:
            setting = entry["name"]
            # Every setting may be the content of a file (shared_schema/settings.py).
            known_as = {setting, setting.removesuffix("_FILE")} & (known | {"FLOWER_BASIC_AUTH"})
            assert known_as, f"{name}: {setting}"


def test_each_pod_has_the_files_that_its_settings_name_and_no_other(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", ROOT / "infra" / "make_secrets.sh", tmp_path / "secrets", "db:5432"], capture_output=True, check=True
    )
    assert b"CREATE ROLE" in done.stdout
    made = {file.name for file in (tmp_path / "secrets").iterdir()} | {"assertion_key.pem"}
    for name, pod in pods(platform()).items():
        secrets = next(v["secret"] for v in pod["volumes"] if v["name"] == "secrets")
        files = {item["path"] for item in secrets["items"]}
        settings = [e["value"] for e in pod["containers"][0]["env"] if e["name"].endswith("_FILE")]
        assert files == {Path(value).name for value in settings}, name
        assert files <= made, name
        assert all(value.startswith("/run/secrets/botberi/") for value in settings)


@pytest.mark.parametrize("chart", EVERYTHING)
def test_pods_keep_to_the_restricted_profile(chart: str) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a read-only root."""
    for pod in pods(rendered(chart, EVERYTHING[chart])).values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]


def test_a_part_with_replicas_has_a_budget_and_spreads() -> None:
    budgets = of_kind(platform(), "PodDisruptionBudget")
    for name, deployment in of_kind(platform(), "Deployment").items():
        several = name.removeprefix("r-") not in ("beat", "flower", "catalog-worker")
        assert (name in budgets) == several
        spread = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        for constraint in spread:
            assert constraint["labelSelector"]["matchLabels"].items() <= labels.items()


def test_migrations_end_before_new_code_starts() -> None:
    jobs = of_kind(platform(), "Job")
    assert jobs["r-migrate"]["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert jobs["r-seed"]["metadata"]["annotations"]["helm.sh/hook"] == "post-install,post-upgrade"


def allowed(policies: Mapping[str, Resource], source: str, target: str, port: int) -> bool:
    """Whether one part may open a connection to another, by the policies of both."""

    def matches(selectors: Sequence[Resource], part: str) -> bool:
        labels = [s["podSelector"]["matchLabels"] for s in selectors if "podSelector" in s]
        return part in [each["app.kubernetes.io/component"] for each in labels]

    out = policies[f"r-{source}"]["spec"]["egress"]
    into = policies[f"r-{target}"]["spec"].get("ingress", [])
    return any(matches(rule["to"], target) and {"port": port} in rule["ports"] for rule in out) and any(
        matches(rule["from"], source) and {"port": port} in rule["ports"] for rule in into
    )


def test_parts_reach_those_alone_that_they_talk_to() -> None:
    policies = of_kind(platform(), "NetworkPolicy")
    assert policies["r-deny"]["spec"]["policyTypes"] == ["Ingress", "Egress"]
    ports = {**DEFAULT_PORTS, "gateway": 8080, "flower": 4400, "worker": 9100, "broker": 9100}
    reached = {
        (source, target)
        for source in pods(platform())
        for target, port in ports.items()
        if source != target and allowed(policies, source, target, port)
    }
    subgraphs = ("identity", "catalog", "instance")
    assert reached == {("gateway", s) for s in subgraphs} | {(s, "gateway") for s in subgraphs}


def test_outside_reaches_the_gateway_alone() -> None:
    policies = of_kind(platform(), "NetworkPolicy")
    controller = {"kubernetes.io/metadata.name": "ingress-nginx"}
    open_to = {
        name
        for name, policy in policies.items()
        for rule in policy["spec"].get("ingress", [])
        if any(s.get("namespaceSelector", {}).get("matchLabels") == controller for s in rule["from"])
    }
    assert open_to == {"r-gateway"}
    paths = [p["path"] for p in of_kind(platform(), "Ingress")["r"]["spec"]["rules"][0]["http"]["paths"]]
    assert "/metrics" not in paths
    assert "/" not in paths


def test_the_gateways_configuration_file_is_one_that_it_takes(tmp_path: Path) -> None:
    maps = of_kind(rendered("gateway", EVERYTHING["gateway"]), "ConfigMap")
    file = tmp_path / "gateway.yaml"
    file.write_text(maps["r-config"]["data"]["gateway.yaml"])
    done = subprocess.run([PROGRAM, "config", "check", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shown = subprocess.run([PROGRAM, "config", "show", "--config", file], capture_output=True, text=True, check=True)
    assert re.search(r"drain_timeout_seconds.*9", shown.stdout)


def test_the_gateways_options_are_those_of_its_command() -> None:
    command = typer.main.get_command(gateway_cli).commands["serve"]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in parameter.opts}
    (pod,) = pods(rendered("gateway", GATEWAY)).values()
    program, *options = pod["containers"][0]["args"]
    assert program == "serve"
    assert {option.partition("=")[0] for option in options} <= known
