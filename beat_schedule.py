"""The whole timetable: what Celery Beat starts, and when. Name, task, cron fields (UTC) or seconds, what it does."""

from overheard.settings import Settings
from worker import names
from worker.entries import Entry

TIMETABLE: dict[str, Entry] = {
    "inspect-feeds": Entry(names.INSPECT, 10.0, "asks the platforms of the feeds that are due"),
    "aggregate": Entry(names.AGGREGATE, 3.0, "counts the hours anew to which posts or scores came"),
    "sweep": Entry(names.SWEEP, 30.0, "has posts scored whose message was lost"),
    "watch": Entry(names.WATCH, Settings.load().watch_every_s, "looks at alert rules, opens and resolves alerts"),
    "deliver": Entry(names.DELIVER, 10.0, "tells recipients of what is new to them"),
    "reap-lost-jobs": Entry(names.REAP_JOBS, Settings.load().reap_every_s, "queues jobs again that fell silent"),
    "mirror-models": Entry(names.MIRROR, 300.0, "tells MLflow of trainings and models"),
    "publish-models": Entry(names.PUBLISH, 900.0, "sends a promoted model to the Hub"),
    "score-overlap": Entry(names.SCORE_OVERLAP, 1800.0, "has a new model read some of what the one before read"),
    "weekly-retrain": Entry(names.RETRAIN, "7 2 * * sun", "trains, when there are new labels"),
    "draw-audits": Entry(names.DRAW_AUDITS, "17 5 * * mon", "draws posts of each brand for people to check"),
    "estimate-quality": Entry(names.ESTIMATE_QUALITY, "27 5 * * *", "estimates how right the model is, without labels"),
    "retention": Entry(names.PURGE_POSTS, "47 2 * * *", "deletes posts that are kept long enough"),
    "deletions": Entry(names.HONOUR_DELETIONS, "7 3 * * *", "erases posts that their platform has deleted"),
    "purge-old-jobs": Entry(names.PURGE_JOBS, "17 3 * * *", "deletes jobs that ended long ago"),
    "accuracy-check": Entry(names.CHECK_ACCURACY, "37 3 * * *", "measures the champion on recent labels"),
    "measure-drift": Entry(names.MEASURE_DRIFT, "57 3 * * *", "holds each brand's week against what the model knows"),
    "weekly-digest": Entry(names.DIGEST, "7 7 * * mon", "tells recipients how the week was for each brand"),
    "catch-up": Entry(names.CATCH_UP, "37 5 * * *", "starts what has cron fields and was missed"),
}
