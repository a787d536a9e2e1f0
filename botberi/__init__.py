"""The composition root: the command line, and what starts the platform."""
