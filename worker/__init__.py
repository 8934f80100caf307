"""What machines do: the Celery app, thin tasks, wiring."""
