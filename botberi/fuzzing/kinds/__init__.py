"""Kinds of graphs beyond the plain ones: each module adds one to a graph that is being made.

They draw from a `random.Random` of their own (`Maker.kinds`), so that a new kind changes other graphs as little as possible.
"""
