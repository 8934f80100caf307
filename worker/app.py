"""The Celery app. It imports no task and reads its settings only when they are first needed."""

from celery import Celery

app = Celery("overheard", config_source="worker.config", task_cls="worker.careful:Checked")
