"""`python -m lab.bench.gateway.sampled FILE serve …`: run `botberi-gateway serve …`, and write its stacks to FILE.

The stacks are sampled by CPU time, as on a shared machine a clock on the wall finds most often where the process was
put off its core. SIGUSR1 starts the sample again, so that start and warm-up don't count. Code in C counts for the
Python function that called it.
"""

import atexit
import signal
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

#: Seconds of CPU time; the kernel's own tick may be coarser.
INTERVAL = 0.001
_DEPTH = 120


class Sampler:
    """Counts stacks, outermost frame first."""

    def __init__(self) -> None:
        self.stacks: Counter[tuple[CodeType, ...]] = Counter()

    def begin(self) -> None:
        """From now on, in the main thread."""
        signal.signal(signal.SIGPROF, self._sample)
        signal.signal(signal.SIGUSR1, lambda *_: self.stacks.clear())
        signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)

    def _sample(self, _number: int, frame: FrameType | None) -> None:
        found: list[CodeType] = []
        while frame is not None and len(found) < _DEPTH:
            found.append(frame.f_code)
            frame = frame.f_back
        self.stacks[tuple(reversed(found))] += 1

    def lines(self) -> list[str]:
        """`name (path:line);… COUNT`: what flame graphs are drawn from."""
        return [
            ";".join(f"{code.co_name} ({code.co_filename}:{code.co_firstlineno})" for code in stack) + f" {count}"
            for stack, count in self.stacks.most_common()
        ]


def main() -> None:
    """Serve, sampled."""
    from botberi_gateway import cli

    path, *sys.argv[1:] = sys.argv[1:]
    sampler = Sampler()
    atexit.register(lambda: Path(path).write_text("\n".join(sampler.lines())))
    sampler.begin()
    cli.main()


if __name__ == "__main__":
    main()
