"""The subgraph's side: requests to subgraphs behind one protocol, and event sources."""
