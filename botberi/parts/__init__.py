"""What runs: a file a part, each giving a `Part` for the supervisor."""
