"""GraphiQL's sources -> its built files, made by a child process at the first start, beside everything else."""

import asyncio
import logging
import os
import sys
from typing import Final

from botberi.run.children import child
from gateway.transport.graphiql.build import is_built

logger = logging.getLogger(__name__)

COMMAND: Final = (sys.executable, "-m", "gateway.transport.graphiql.build")
#: npm over a slow line, and a bundle on a slow machine.
_PATIENCE: Final = 900.0


async def ensure_built() -> bool:
    """Whether GraphiQL is there. Without it the platform works; its page then says how to build it."""
    if await asyncio.to_thread(is_built):
        return True
    logger.info("building GraphiQL (once; about a minute)", extra={"part": "graphiql"})
    try:
        async with child("graphiql", COMMAND, env=os.environ, stop_timeout=5) as process:
            code = await asyncio.wait_for(process.wait(), _PATIENCE)
    except TimeoutError:
        logger.error("building GraphiQL took longer than %.0f s and was ended", _PATIENCE, extra={"part": "graphiql"})
        return False
    if code != 0:
        logger.error("GraphiQL was not built (see above); everything else works", extra={"part": "graphiql"})
    return code == 0
