"""A checkout -> its platform, running on free ports with a state folder of its own, and a signed-in caller."""

import http.client
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lab.bench.attacks import turns
from lab.bench.attacks.turns import LAYOUT
from lab.bench.gateway.process import free_port, resident

#: Seconds for the first start, which makes the databases.
_START: Final = 180.0
#: What the console says when every part runs.
_STARTED: Final = b"Botberi is running"


class NotStarted(Exception):
    """The platform didn't become healthy; the message has the end of its log."""


@dataclass(slots=True)
class Answer:
    """Answer of the platform: status, the first error's code (or `ok`), bytes, seconds, JSON."""

    status: int
    outcome: str
    size: int
    seconds: float
    body: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class RunningPlatform:
    """One platform process."""

    port: int
    pid: int
    state_dir: Path
    #: Where the process notes the longest turn of its event loop (`lab.bench.attacks.turns`).
    turns: Path
    token: str | None = None

    def post(self, query: str, variables: dict[str, Any] | None = None, timeout: float = 120.0) -> Answer:
        """One GraphQL request."""
        headers = {"content-type": "application/json"}
        if self.token is not None:
            headers["authorization"] = f"Bearer {self.token}"
        body = json.dumps({"query": query, "variables": variables or {}})
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("POST", "/graphql", body, headers)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, type(error).__name__, 0, time.perf_counter() - began)
        finally:
            connection.close()
        try:
            found = json.loads(text)
        except ValueError:
            found = {}
        return Answer(response.status, _outcome(found), len(text), time.perf_counter() - began, found)

    def data(self, query: str, variables: dict[str, Any] | None = None) -> Any:
        """The data of what must succeed."""
        answer = self.post(query, variables)
        if answer.outcome != "ok":
            raise NotStarted(f"{query[:80]}: {answer.outcome}: {str(answer.body)[:400]}")
        return answer.body["data"]

    def sign_in(self, role: str) -> None:
        """As one of the development accounts."""
        kept = json.loads((self.state_dir / "credentials.json").read_text())[role]
        self.token = None
        data = self.data(
            "mutation ($i: LoginInput!) { login(input: $i) { ... on LoginSuccess { token } } }",
            {"i": {"email": kept["email"], "password": kept["password"]}},
        )
        self.token = data["login"]["token"]

    def resident(self, *, peak: bool = False) -> float:
        """Megabytes of the process now, or at most since `forget_peak`."""
        return resident(self.pid, peak=peak)

    def longest_turn(self) -> float:
        """Seconds of processor time that the event loop's thread took at most without a pause, since `forget_peak`."""
        (longest,) = LAYOUT.unpack(self.turns.read_bytes())
        return float(longest)

    def forget_peak(self) -> None:
        """Begin to look for a new peak of memory, and for a new longest turn."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")
        with self.turns.open("r+b") as file:
            file.write(bytes(LAYOUT.size))


def _outcome(body: dict[str, Any]) -> str:
    reported = body.get("errors") or []
    if reported:
        return str(reported[0].get("extensions", {}).get("code", "an error"))
    for value in (body.get("data") or {}).values():
        if isinstance(value, dict) and str(value.get("__typename", "")).endswith("Error"):
            # With its reason: a refusal for another than the attack's shows that the attack is not asked rightly.
            reasons = [value, *value.get("fields", ())]
            return f"{value['__typename']} ({str(reasons[-1].get('message', ''))[:80]})"
    return "ok"


@contextmanager
def running(checkout: Path, stacks: Path | None = None) -> Iterator[RunningPlatform]:
    """`botberi up` of that checkout with all it embeds; `stacks` gets the stacks of long turns. Raises `NotStarted`."""
    with tempfile.TemporaryDirectory(prefix="botberi-attacks-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)  # root's Postgres runs as another user, who must be able to enter
        port, state = free_port(), Path(folder) / "state"
        longest = Path(folder) / "turns"
        longest.write_bytes(bytes(LAYOUT.size))
        command = [str(checkout / ".venv/bin/python"), turns.__file__, str(longest), str(stacks or "")]
        command += [str(checkout / ".venv/bin/botberi"), "up", "--port", str(port), "--state-dir", str(state)]
        command += ["--postgres-port", str(free_port())]
        log_path = Path(folder) / "log"
        environment = {**os.environ, "BOTBERI_LOG_LEVEL": "WARNING", "BOTBERI_GRAPHIQL": "false"}
        with log_path.open("wb") as log:
            process = subprocess.Popen(command, cwd=checkout, env=environment, stdout=log, stderr=log)
        try:
            _until_started(process, port, log_path)
            yield RunningPlatform(port, process.pid, state, longest)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _until_started(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Ready, and through with starting: what a start still does isn't the attack's."""
    until = time.monotonic() + _START
    while time.monotonic() < until and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200 and _STARTED in log.read_bytes():
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.2)
    raise NotStarted(log.read_text(errors="replace")[-2_000:])
