"""Servers and other things that many tests need."""
