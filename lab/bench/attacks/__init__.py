"""Attacks of the security review against a running platform: the longest stall, the memory, the answer (docs/security/attacks.md)."""
