"""Differential fuzzing: random graphs, cut at random, answered by the gateway and by one monolith, must agree."""
