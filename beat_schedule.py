"""The whole timetable: what Celery Beat starts, and when. Names, times (UTC), tasks."""

from typing import Any

from celery.schedules import crontab

from overheard.settings import Settings
from worker import names

_reap_every_s = Settings.load().reap_every_s

TIMETABLE: dict[str, dict[str, Any]] = {
    "reap-lost-jobs": {"task": names.REAP_JOBS, "schedule": _reap_every_s, "options": {"expires": _reap_every_s}},
    "purge-old-jobs": {"task": names.PURGE_JOBS, "schedule": crontab(minute="17", hour="3")},
}
