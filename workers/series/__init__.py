"""A series of numbers -> its season, and ways to forecast it. Plain Python."""
