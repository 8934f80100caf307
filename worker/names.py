"""Task, queue and Redis key names: all that the API needs to know of the workers."""

SCORE_TEXTS = "score.texts"
SCORE_JOB = "score.job"
SCORE_POSTS = "score.posts"
INSPECT = "feeds.inspect"
COLLECT = "feeds.collect"
TRY_FEED = "feeds.try"
AGGREGATE = "hours.aggregate"
SWEEP = "posts.sweep"
PURGE_POSTS = "posts.purge"
HONOUR_DELETIONS = "posts.deletions"
TRAIN = "train.run"
RETRAIN = "train.weekly"
MIRROR = "models.mirror"
PUBLISH = "models.publish"
DRAW_AUDITS = "audits.draw"
ESTIMATE_QUALITY = "brands.quality"
MEASURE_DRIFT = "brands.drift"
SCORE_OVERLAP = "posts.overlap"
WATCH = "alerts.watch"
DELIVER = "alerts.deliver"
DIGEST = "alerts.digest"
CHECK_ACCURACY = "models.check"
CATCH_UP = "timetable.catch_up"
REAP_JOBS = "jobs.reap"
PURGE_JOBS = "jobs.purge"

SCORING = "scoring"
SCORING_BULK = "scoring.bulk"
TRAINING = "training"
IO = "io"

QUEUES = {
    SCORE_TEXTS: SCORING,
    SCORE_JOB: SCORING_BULK,
    SCORE_POSTS: SCORING_BULK,
    INSPECT: IO,
    COLLECT: IO,
    TRY_FEED: IO,
    AGGREGATE: IO,
    SWEEP: IO,
    PURGE_POSTS: IO,
    HONOUR_DELETIONS: IO,
    TRAIN: TRAINING,
    RETRAIN: IO,
    MIRROR: IO,
    PUBLISH: IO,
    DRAW_AUDITS: IO,
    ESTIMATE_QUALITY: IO,
    MEASURE_DRIFT: IO,
    SCORE_OVERLAP: IO,
    WATCH: IO,
    DELIVER: IO,
    DIGEST: IO,
    CHECK_ACCURACY: IO,
    CATCH_UP: IO,
    REAP_JOBS: IO,
    PURGE_JOBS: IO,
}

JOBS = {"score": SCORE_JOB, "batch": SCORE_JOB, "training": TRAIN}
"""Which task works at a job of this kind."""

HEARTBEATS = "overheard:heartbeats"
"""Hash: worker's node name -> JSON: "at" (server time in s) and what `api.workers.Heartbeat` holds."""
HEARTBEAT_MAX_AGE_S = 10

TRAINERS = "overheard:trainers"
"""Hash: node name of a training worker -> JSON: "at" (server time in s)."""

HOUSEKEEPERS = "overheard:housekeepers"
"""Hash: node name of a housekeeping worker -> JSON: "at" (server time in s)."""

REDELIVERIES = "overheard:redeliveries"
"""Counter: scoring messages that came a second time because their first worker never acknowledged them."""

PARKED = "overheard:parked"
"""List: what was on a queue and no worker could use, the newest first, JSON."""

PARKED_COUNT = "overheard:parked_count"
"""Counter of these."""


def replies(process: str) -> str:
    """The list on which an API process waits for answers."""
    return f"overheard:replies:{process}"


def tried(trial: str) -> str:
    """The list on which the API waits for what came of a feed's trial."""
    return f"overheard:tried:{trial}"


def pushed(feed_id: int, key_hash: str) -> str:
    """String: what a push was answered, JSON."""
    return f"overheard:pushed:{feed_id}:{key_hash}"
