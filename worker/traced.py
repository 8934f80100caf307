"""What the log says of the task at hand."""

from collections.abc import Mapping

from celery import current_task

from worker import names


def about() -> Mapping[str, str]:
    """Its name, its id, and of a task that works at a job that its id is the job's."""
    task = current_task
    if not task or not task.request.id:
        return {}
    kind = "job" if task.name in names.JOBS.values() else "id"
    return {"task": task.name, kind: task.request.id}
