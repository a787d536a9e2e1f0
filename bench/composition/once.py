"""A file of subgraphs -> how long their composition took and the most memory the process had; one JSON line."""

import json
import resource
import sys
import time
from pathlib import Path

from gateway.composition import Subgraph, compose


def main(path: str) -> None:
    """Compose once; a process that did anything else before would say little about memory."""
    subgraphs = [Subgraph(**one) for one in json.loads(Path(path).read_text())]
    start, used = time.perf_counter(), time.process_time()
    composition = compose(subgraphs)
    length = len(composition.supergraph_sdl or "")
    seconds, cpu = time.perf_counter() - start, time.process_time() - used
    usage = resource.getrusage(resource.RUSAGE_SELF)
    answer = {"ok": composition.ok, "seconds": seconds, "cpu": cpu, "bytes": length}
    print(json.dumps({**answer, "megabytes": usage.ru_maxrss / 1024}))


if __name__ == "__main__":
    main(sys.argv[1])
