"""Errors that a person gets without a traceback, when the platform can't start or go on."""


class StartError(Exception):
    """The message says what is wrong and what to do about it."""
