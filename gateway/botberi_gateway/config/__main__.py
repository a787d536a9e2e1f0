"""`python -m botberi_gateway.config docs/reference` writes the page of the configuration and its JSON Schema."""

import sys
from pathlib import Path

from botberi_gateway.config.page import write

if __name__ == "__main__":
    write(Path(sys.argv[1]))
