"""`python -m lab`: the program `.venv/bin/lab`."""

from lab.cli import main

if __name__ == "__main__":
    main()
