"""What we know: plain functions. No Flask, no Celery, no Redis."""

__version__ = "0.1.0"
