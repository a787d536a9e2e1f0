"""Worked plug-ins. Copy one and change it."""
