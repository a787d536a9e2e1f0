"""Where the gateway meets the platform: who calls, which events, which subgraphs."""
