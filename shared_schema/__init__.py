"""The one truth about rows and messages."""
