"""The graphs: the public benchmark's, ours, and one of any number of subgraphs."""
