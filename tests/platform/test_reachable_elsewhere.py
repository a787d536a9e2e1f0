"""`./start --host 0.0.0.0` from another machine: both are network namespaces of this one, joined by a cable."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.platform.running import ROOT, RunningPlatform, clean_environment

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None, reason="network namespaces need root and iproute2"
)


@dataclass(frozen=True)
class Machines:
    """Two namespaces; the platform's has the address `address`."""

    platform: str
    client: str
    address: str

    def command(self, namespace: str, *arguments: str) -> list[str]:
        return ["ip", "netns", "exec", namespace, *arguments]


@pytest.fixture
def machines() -> Iterator[Machines]:
    number = os.getpid() % 100_000
    made = Machines(f"bbp{number}", f"bbc{number}", "198.51.100.1")
    ends = (f"bbp{number}e", f"bbc{number}e")

    def ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, timeout=20, capture_output=True)

    try:
        for namespace in (made.platform, made.client):
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        ip("-n", made.platform, "link", "add", ends[0], "type", "veth", "peer", "name", ends[1], "netns", made.client)
        for namespace, end, address in (
            (made.platform, ends[0], made.address),
            (made.client, ends[1], "198.51.100.2"),
        ):
            ip("-n", namespace, "address", "add", f"{address}/24", "dev", end)
            ip("-n", namespace, "link", "set", end, "up")
        yield made
    finally:
        for namespace in (made.platform, made.client):
            subprocess.run(["ip", "netns", "del", namespace], check=False, timeout=20, capture_output=True)


def test_a_client_elsewhere_runs_an_agent_follows_it_and_downloads_its_file(machines: Machines) -> None:
    start = machines.command(machines.platform, sys.executable, "-m", "botberi.cli", "up", "--host=0.0.0.0")
    with RunningPlatform(command=start) as platform:
        url = f"http://{machines.address}:{platform.port}/graphql"
        client = machines.command(
            machines.client, sys.executable, "-m", "tests.platform.elsewhere", url, *platform.password("user")
        )
        done = subprocess.run(
            client, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=150, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["status"] == "SUCCEEDED"
    assert (seen["download"], seen["socket"]) == (200, "connection_ack")
    assert seen["size"] > 0
    assert seen["addresses"]
    assert all(address.startswith(url.removesuffix("graphql")) for address in seen["addresses"])
