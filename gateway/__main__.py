"""`python -m gateway`."""

import gc

# Imports make much and drop little: the collector would only cost a tenth of the start. `serve` turns it on again.
gc.disable()

from gateway.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
