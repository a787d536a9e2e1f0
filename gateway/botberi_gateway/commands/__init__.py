"""What the command line does, one module a command; `botberi_gateway.cli` has the options.

Output is returned or printed, never logged.
"""
