"""infra/prometheus and the parts' ports -> Prometheus, which scrapes them and evaluates our rules."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from botberi.postgres_places import make_state_folder
from botberi.run.children import child
from botberi.run.supervisor import Part, Ready
from botberi.stack import programs
from botberi.stack.nginx import until_open

_SOURCE: Final = Path(__file__).parents[2] / "infra/prometheus"


def configuration(ports: Mapping[str, Sequence[int]], own: int) -> dict[str, Any]:
    """Prometheus' file: the jobs of infra/prometheus/prometheus.yml, at the ports that their parts have here."""
    source: dict[str, Any] = yaml.safe_load((_SOURCE / "prometheus.yml").read_text())
    jobs = []
    for job in source["scrape_configs"]:
        found = [own] if job["job_name"] == "prometheus" else ports.get(job["job_name"].removesuffix("-queues"), ())
        if found:
            kept = {name: value for name, value in job.items() if not name.endswith("_configs")}
            jobs.append(kept | {"static_configs": [{"targets": [f"127.0.0.1:{port}" for port in found]}]})
    rules = [str(_SOURCE / Path(name).name) for name in source["rule_files"]]
    return {"global": source["global"] | {"scrape_interval": "5s"}, "rule_files": rules, "scrape_configs": jobs}


def part(folder: Path, port: int, ports: Mapping[str, Sequence[int]]) -> Part:
    """The part that keeps Prometheus running."""
    program = str(programs.find("prometheus"))
    make_state_folder(folder)
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration(ports, port), sort_keys=False))
    command = [program, f"--config.file={file}", f"--storage.tsdb.path={folder}/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=15d", "--log.level=warn"]

    async def run(ready: Ready) -> None:
        async with child("prometheus", command, env={"PATH": "/usr/bin:/bin"}, stop_timeout=15) as process:
            await until_open(port, process)
            if process.returncode is None:
                ready(f"http://127.0.0.1:{port}")
            code = await process.wait()
        raise ChildProcessError(f"Prometheus ended with exit code {code}")

    return Part("prometheus", run, stop_timeout=20)
