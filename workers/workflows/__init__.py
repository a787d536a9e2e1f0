"""One ML workflow a file: typed input -> typed output. No Celery, database or network in here."""
