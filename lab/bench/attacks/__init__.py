"""Attacks of the security review on a running platform: longest stall, memory, answer (docs/security/attacks.md)."""
