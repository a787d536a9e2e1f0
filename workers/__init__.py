"""Celery runs ML workflows."""
