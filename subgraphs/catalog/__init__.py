"""The catalog subgraph: agents that people can run, and templates to start from."""
