"""`lab test`: what the machine lacks, linters, types, import rules, tests -> one exit code."""
