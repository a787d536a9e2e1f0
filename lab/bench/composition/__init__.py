"""Our composition beside two peers from npm: random subgraph sets (verdicts), large graphs (time, memory)."""
