"""The account of the platform itself: it publishes the built-in agents, and no one can sign in to it."""

from typing import Final

EMAIL: Final = "agents@botberi.dev"
