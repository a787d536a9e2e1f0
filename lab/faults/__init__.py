"""A platform under fire: servers and services killed, cut and frozen while runs go on, and a checker of what must hold."""
