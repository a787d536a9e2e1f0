"""The command `botberi-gateway`, and `python -m botberi_gateway`."""

import gc

# Imports make much and drop little: the collector would only cost a tenth of the start. `serve` turns it on again.
gc.disable()

from botberi_gateway.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
