"""Running parts side by side: supervision, child processes, locks, ports, logs. Knows no part in particular."""
