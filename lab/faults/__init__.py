"""The fault suite: servers and services are killed, cut and frozen during runs; a checker looks at the evidence."""
