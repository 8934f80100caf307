"""The whole timetable: what Celery Beat starts, and when. Names, times (UTC), tasks."""

from typing import Any

from celery.schedules import crontab

from overheard.settings import Settings
from worker import names

_reap_every_s = Settings.load().reap_every_s

TIMETABLE: dict[str, dict[str, Any]] = {
    "reap-lost-jobs": {"task": names.REAP_JOBS, "schedule": _reap_every_s, "options": {"expires": _reap_every_s}},
    "inspect-feeds": {"task": names.INSPECT, "schedule": 10.0, "options": {"expires": 10}},
    "aggregate": {"task": names.AGGREGATE, "schedule": 3.0, "options": {"expires": 3}},
    "sweep": {"task": names.SWEEP, "schedule": 30.0, "options": {"expires": 30}},
    "retention": {"task": names.PURGE_POSTS, "schedule": crontab(minute="37", hour="3")},
    "weekly-retrain": {"task": names.RETRAIN, "schedule": crontab(minute="7", hour="2", day_of_week="sun")},
    "mirror-models": {"task": names.MIRROR, "schedule": 300.0, "options": {"expires": 300.0}},
    "publish-models": {"task": names.PUBLISH, "schedule": 900.0, "options": {"expires": 900.0}},
    "purge-old-jobs": {"task": names.PURGE_JOBS, "schedule": crontab(minute="17", hour="3")},
}
