"""Connection of the gateway with the platform: callers, events, subgraphs."""
