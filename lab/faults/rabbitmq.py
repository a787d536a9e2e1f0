"""A private RabbitMQ node on ports and folders of its own, from Debian's package."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

PROGRAMS: Final = Path("/usr/lib/rabbitmq/bin")
#: Resource that the node can be made short of -> the commands that do so, and those that undo it.
ALARMS: Final = {
    "memory": (("set_vm_memory_high_watermark", "0.00001"), ("set_vm_memory_high_watermark", "absolute", "512MB")),
    "disk": (("set_disk_free_limit", "1000000000000000"), ("set_disk_free_limit", "50000000")),
}
_HEADER: Final = b"AMQP\x00\x00\x09\x01"


class RabbitError(Exception):
    """The node does not do what it should."""


def installed() -> bool:
    """True if the server's programs are here."""
    return (PROGRAMS / "rabbitmq-server").exists()


class RabbitNode:
    """`start()`, `stop()`, `kill()`; data stays until the `with` block ends.

    Debian's wrapper in /usr/sbin changes user and folder; the program behind it runs as anybody.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="botberi-rabbit-", dir="/tmp", ignore_cleanup_errors=True)
        self._root = Path(self._folder.name)
        self._password = secrets.token_hex(12)
        self._ports = _free_ports(3)
        self._server: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """Port on which it speaks AMQP."""
        return self._ports[0]

    @property
    def url(self) -> str:
        """Its URL, password included."""
        return f"amqp://botberi:{self._password}@127.0.0.1:{self.port}/"

    def start(self, timeout: float = 90.0) -> None:
        """Start and wait until AMQP is answered (10 to 25 s for a fresh node on a busy machine)."""
        environment = self._prepare()
        log = (self._root / "out.log").open("ab")
        try:
            if self._epmd is None:
                # The runtime would start a daemon that outlives the node; this one is ours to end.
                command = ["epmd", "-port", str(self._ports[2]), "-address", "127.0.0.1"]
                self._epmd = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            self._server = subprocess.Popen(
                [str(PROGRAMS / "rabbitmq-server")],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._root,
                start_new_session=True,
            )
        finally:
            log.close()
        deadline = time.monotonic() + timeout
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                said = (self._root / "out.log").read_text(errors="replace")[-3000:]
                self.kill()
                raise RabbitError(f"RabbitMQ did not start within {timeout:.0f} s:\n{said}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop in order."""
        self._end(signal.SIGTERM, 30.0)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL, 10.0)

    def wipe(self) -> None:
        """Forget everything that the stopped node kept: queues, messages, users."""
        shutil.rmtree(self._root / "mnesia")

    def ctl(self, *arguments: str) -> str:
        """Run rabbitmqctl (some three seconds) and return what it says."""
        command = [str(PROGRAMS / "rabbitmqctl"), "-n", self._node, *arguments]
        done = subprocess.run(command, env=self._prepare(), capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise RabbitError(f"rabbitmqctl {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout

    def virtual_host(self, name: str) -> str:
        """Make a virtual host, and return its URL: two platforms on one would take each other's messages."""
        rights = f'<<"botberi">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"botberi">>'
        add = f'rabbit_vhost:add(<<"{name}">>, <<"botberi">>)'
        # In one call: each starts a virtual machine of Erlang.
        self.ctl("eval", f"ok = {add}, ok = rabbit_auth_backend_internal:set_permissions({rights}).")
        return f"{self.url}{name}"

    @contextmanager
    def alarm(self, kind: str) -> Iterator[None]:
        """Within the block the node is short of something (a key of `ALARMS`), and takes no messages."""
        raised, cleared = ALARMS[kind]
        self.ctl(*raised)
        try:
            yield
        finally:
            self.ctl(*cleared)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._clean()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(signal.SIGTERM, 15.0)
        self._clean()

    @property
    def _node(self) -> str:
        return f"botberi{self.port}@localhost"

    def _clean(self) -> None:
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait(10)
        self._folder.cleanup()

    def _end(self, number: signal.Signals, timeout_seconds: float) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        # The script, the virtual machine and its helpers are one process group.
        for sent, wait in ((number, timeout_seconds), (signal.SIGKILL, 10.0)):
            with suppress(ProcessLookupError):
                os.killpg(server.pid, sent)
            with suppress(subprocess.TimeoutExpired):
                server.wait(wait)
                break
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.5) as probe:
            probe.settimeout(2)
            probe.sendall(_HEADER)
            return len(probe.recv(8)) > 0
        return False

    def _prepare(self) -> dict[str, str]:
        root = self._root
        for name in ("mnesia", "log", "conf", "home"):
            (root / name).mkdir(exist_ok=True)
        (root / "conf" / "env.conf").touch()
        (root / "conf" / "enabled_plugins").write_text("[].")
        (root / "conf" / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            f"default_user = botberi\ndefault_pass = {self._password}\n"
            "log.console = false\nvm_memory_high_watermark.absolute = 512MB\ndisk_free_limit.absolute = 50MB\n"
        )
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(root / "home"),
            "ERL_EPMD_PORT": str(self._ports[2]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._ports[1]),
            "RABBITMQ_MNESIA_BASE": str(root / "mnesia"),
            "RABBITMQ_LOG_BASE": str(root / "log"),
            "RABBITMQ_SCHEMA_DIR": str(root / "conf" / "schema"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(root / "conf" / "generated"),
            "RABBITMQ_CONFIG_FILE": str(root / "conf" / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(root / "conf" / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(root / "conf" / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(root / "conf" / "env.conf"),
            "RABBITMQ_PID_FILE": str(root / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
            ),
        }


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
