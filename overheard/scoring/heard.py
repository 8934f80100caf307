"""Scores of the posts that were heard: what waits is taken for about a second, then others get their turn."""

import time
from concurrent.futures import wait
from datetime import UTC, datetime
from typing import Final

import numpy as np

from overheard.errors import ScoringFailed
from overheard.scoring.batcher import Batcher
from overheard.scoring.engine import Floats
from overheard.scoring.lanes import Lane
from overheard.scoring.work import SLICE_S
from overheard.settings import Settings
from overheard.store import unscored
from overheard.store.database import Database
from overheard.store.parts import Answer
from overheard.store.unscored import Work

POSTS_AT_ONCE: Final = 512


def score_next_posts(database: Database, batcher: Batcher, settings: Settings) -> int:
    """Score posts that wait, for about SLICE_S. Returns how many messages the rest needs next.

    Two while there are posts enough: so they spread over all workers that have a turn for them (see `Turns`).
    """
    until = time.monotonic() + SLICE_S
    while True:
        with database.write() as session:
            work = unscored.take(
                session, datetime.now(UTC), settings.lease_s, settings.max_attempts, at_most=POSTS_AT_ONCE
            )
        if work is None:
            return 0
        done, scores = _score(batcher, work)
        with database.write() as session:
            unscored.give_back(session, done, Answer(scores, batcher.engine.version), datetime.now(UTC))
        if time.monotonic() >= until:
            with database.read() as session:
                free = unscored.count_free(session, datetime.now(UTC), settings.max_attempts, 2 * POSTS_AT_ONCE)
            return min(2, -(-free // POSTS_AT_ONCE))


def _score(batcher: Batcher, work: Work) -> tuple[Work, Floats]:
    """Scores (n, 3) of the posts that could be scored; one that can't be does not keep the others from theirs."""
    try:
        return work, batcher.submit(work.texts, Lane.bulk).result()
    except ScoringFailed:
        answers = [batcher.submit([text], Lane.bulk) for text in work.texts]
    wait(answers)
    good = [place for place, answer in enumerate(answers) if not answer.exception()]
    rest = Work([work.ids[place] for place in good], [work.texts[place] for place in good], work.lease_until)
    scores = [answers[place].result() for place in good]
    return rest, np.concatenate(scores) if scores else np.zeros((0, 3), np.float32)
