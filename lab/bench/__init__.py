"""Benchmarks and comparisons with peers; not part of any package that is shipped."""
