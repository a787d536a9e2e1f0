"""A folder and ports -> a RabbitMQ node with the users of infra/rabbitmq/users.sh, which keeps its data there."""

import asyncio
import os
import re
import secrets
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from botberi.postgres_places import make_state_folder
from botberi.run.children import child
from botberi.run.errors import StartError
from botberi.run.supervisor import Part, Ready
from botberi.stack import programs
from shared_schema.private import open_private

_SCRIPT: Final = Path(__file__).parents[2] / "infra/rabbitmq/users.sh"
_HEADER: Final = b"AMQP\x00\x00\x09\x01"
#: A fresh node takes 10 to 25 s on a busy machine.
_START_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the node listens, on 127.0.0.1."""

    amqp: int
    distribution: int
    names: int
    metrics: int


class Node:
    """The node of a state folder."""

    def __init__(self, folder: Path, ports: Ports) -> None:
        self._folder = folder
        self.ports = ports
        self._passwords: dict[str, str] = {}

    def url(self, user: str) -> str:
        """A user's URL; raises `KeyError` for a user that there isn't."""
        return f"amqp://{user}:{self._passwords[user]}@127.0.0.1:{self.ports.amqp}/"

    def prepare(self) -> None:
        """Write what the node reads: its configuration, and passwords that are kept from one start to the next."""
        for name in ("data", "log", "conf", "home"):
            make_state_folder(self._folder / name)
        users = re.findall(r"^user ([\w-]+) ", _SCRIPT.read_text(), re.MULTILINE)
        self._passwords = {user: self._password(user) for user in users}
        (self._folder / "conf/definitions.json").unlink(missing_ok=True)
        with open_private(self._folder / "conf/definitions.json") as file:
            file.write(self._definitions().encode())
        (self._folder / "conf/env.conf").touch()
        (self._folder / "conf/enabled_plugins").write_text("[rabbitmq_prometheus].\n")
        (self._folder / "conf/rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.ports.amqp}\n"
            f"prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {self.ports.metrics}\n"
            f"load_definitions = {self._folder}/conf/definitions.json\n"
            "consumer_timeout = 14400000\nlog.console = true\nlog.console.level = warning\nlog.file = false\n"
            "disk_free_limit.absolute = 1GB\n"
        )

    def part(self) -> Part:
        """The part that keeps the node, and the daemon that knows its name, running."""
        server = str(programs.find("rabbitmq-server"))
        self.prepare()
        environment = self._environment()

        async def run(ready: Ready) -> None:
            names = ["epmd", "-port", str(self.ports.names), "-address", "127.0.0.1"]
            async with (
                child("rabbitmq", names, env=environment, stop_timeout=2),
                child("rabbitmq", [server], env=environment, stop_timeout=30) as process,
            ):
                while process.returncode is None and not await self._answers():  # noqa: ASYNC110 - it has no event
                    await asyncio.sleep(0.2)
                if process.returncode is None:
                    ready(f"amqp://127.0.0.1:{self.ports.amqp}, data in {self._folder / 'data'}")
                code = await process.wait()
            raise ChildProcessError(f"RabbitMQ ended with exit code {code}")

        return Part("rabbitmq", run, start_timeout=_START_SECONDS, stop_timeout=40)

    async def _answers(self) -> bool:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(2):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.ports.amqp)
                writer.write(_HEADER)
                answer = await reader.read(8)
                writer.close()
                return len(answer) > 0
        return False

    def _password(self, user: str) -> str:
        path = self._folder / "home" / f"{user}.password"
        if not path.exists():
            with open_private(path) as file:
                file.write(secrets.token_hex(24).encode())
        return path.read_text().strip()

    def _definitions(self) -> str:
        names = {user: user.upper().replace("-", "_") for user in self._passwords}
        passwords = {f"{names[user]}_PASSWORD": password for user, password in self._passwords.items()}
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), **passwords}
        command = [str(_SCRIPT)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
        if done.returncode != 0:
            raise StartError(f"{_SCRIPT.name}: {done.stderr.strip()}")
        return done.stdout

    def _environment(self) -> Mapping[str, str]:
        folder, conf = str(self._folder), f"{self._folder}/conf"
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": f"{folder}/home",
            "ERL_EPMD_PORT": str(self.ports.names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # The folder of the data has the node's name, which must not change with its ports.
            "RABBITMQ_NODENAME": "botberi@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.ports.amqp),
            "RABBITMQ_DIST_PORT": str(self.ports.distribution),
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_SCHEMA_DIR": f"{conf}/schema",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{conf}/generated",
            "RABBITMQ_CONFIG_FILE": f"{conf}/rabbitmq",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{conf}/advanced.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{conf}/enabled_plugins",
            "RABBITMQ_CONF_ENV_FILE": f"{conf}/env.conf",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"
            ),
        }
