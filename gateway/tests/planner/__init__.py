"""Tests of the planner; a package, as `python -m gateway.tests.planner.conformance` runs one of them."""
