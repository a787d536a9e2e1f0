"""A file of subgraphs -> time of their composition, and of another after a change, and peak memory; one JSON line."""

import json
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

from botberi_gateway.composition import Composer, Composition, Subgraph

#: What one subgraph gets for the second composition.
_CHANGE = "\nextend type Query { addedByBench: Int }\n"


def main(path: str) -> None:
    """Compose, then compose again with one subgraph changed; earlier work in the process would blur its memory."""
    subgraphs = [Subgraph(**one) for one in json.loads(Path(path).read_text())]
    composer = Composer()
    first, answer = _timed(composer, subgraphs)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    middle = len(subgraphs) // 2
    subgraphs[middle] = replace(subgraphs[middle], sdl=subgraphs[middle].sdl + _CHANGE)
    second, again = _timed(composer, subgraphs)
    answer |= {"megabytes": usage.ru_maxrss / 1024, "again_seconds": again["seconds"], "again_cpu": again["cpu"]}
    print(json.dumps({"ok": first.ok and second.ok, **answer}))


def _timed(composer: Composer, subgraphs: list[Subgraph]) -> tuple[Composition, dict[str, float]]:
    start, used = time.perf_counter(), time.process_time()
    composition = composer.compose(subgraphs)
    length = len(composition.supergraph_sdl or "")
    return composition, {
        "seconds": time.perf_counter() - start,
        "cpu": time.process_time() - used,
        "bytes": length,
    }


if __name__ == "__main__":
    main(sys.argv[1])
