"""The instance subgraph: runs of agents, and what comes of them."""
