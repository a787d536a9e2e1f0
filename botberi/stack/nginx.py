"""infra/nginx/nginx.conf and the replicas' ports -> nginx in front of them, and between the gateways and instance."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from botberi.postgres_places import make_state_folder
from botberi.run.children import child
from botberi.run.supervisor import Part, Ready
from botberi.stack import programs

_SOURCE: Final = Path(__file__).parents[2] / "infra/nginx/nginx.conf"


def configuration(folder: Path, listen: str, gateways: Sequence[int], inside: int, instances: Sequence[int]) -> str:
    """The file of containers, with addresses of this machine in place of names, and files in `folder`."""
    text = _SOURCE.read_text()
    upstreams = _upstream("gateways", gateways) + _upstream("instances", instances)
    # Containers find replicas by name; here they are known.
    text = re.sub(r"\n    resolver .*\n    resolver_timeout .*\n", f"\n{upstreams}", text, count=1)
    text = text.replace(
        "set $gateway gateway:8080;\n            proxy_pass http://$gateway;", "proxy_pass http://gateways;"
    )
    text = text.replace("listen 80;", f"listen {listen};").replace("include /etc/nginx/tls.d/*.conf;\n", "\n")
    text = re.sub(r"pid .*;", f"pid {folder}/nginx.pid;", text, count=1).replace(
        "access_log /dev/stdout;", "access_log off;"
    )
    text = text.replace("/dev/stderr", "stderr")
    text = text.replace("worker_processes auto;", "worker_processes 2;\ndaemon off;")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    # Requests of the gateways to the instance subgraph: as they are, for what is signed is their path and body.
    server = f"""
    server {{
        listen 127.0.0.1:{inside};
        location / {{
            proxy_pass http://instances;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
            proxy_connect_timeout 1s;
            proxy_next_upstream error timeout;
        }}
    }}
"""
    return text.replace("http {\n", f"http {{\n{places}", 1).rstrip().removesuffix("}") + server + "}\n"


def _upstream(name: str, ports: Sequence[int]) -> str:
    servers = " ".join(f"server 127.0.0.1:{port} max_fails=1 fail_timeout=2s;" for port in ports)
    return f"    upstream {name} {{ {servers} keepalive 16; }}\n"


def part(folder: Path, listen: str, gateways: Sequence[int], inside: int, instances: Sequence[int], url: str) -> Part:
    """The part that keeps nginx running; `url` is what people open."""
    program = str(programs.find("nginx-light"))
    make_state_folder(folder)
    file = folder / "nginx.conf"
    file.write_text(configuration(folder, listen, gateways, inside, instances))
    # As root it gives its work to processes of an unprivileged user, who may not enter the folder.
    command = [program, "-c", str(file), "-p", str(folder), "-e", "stderr", "-g", "user root;"]

    async def run(ready: Ready) -> None:
        async with child("nginx", command, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, stop_timeout=10) as process:
            await until_open(int(listen.rpartition(":")[2]), process)
            if process.returncode is None:
                ready(url)
            code = await process.wait()
        raise ChildProcessError(f"nginx ended with exit code {code}")

    return Part("nginx", run)


async def until_open(port: int, process: asyncio.subprocess.Process) -> None:
    """Until something listens on a port of this machine, or the process has ended; the supervisor bounds the wait."""
    while process.returncode is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
