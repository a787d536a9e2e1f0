"""The identity subgraph: accounts, and what they sign in with."""
