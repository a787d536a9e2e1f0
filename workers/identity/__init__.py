"""Background work of identity, on its own Celery queue: mails, closed accounts, exports, removal of what has ended."""
