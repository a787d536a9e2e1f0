"""Background work of the catalog: how often agents are run, and how it ends."""
