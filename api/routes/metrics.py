"""For Prometheus: `/metrics`."""

from collections.abc import Iterator

from flask import Response
from flask_openapi import APIBlueprint
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from api.auth import requires
from api.schemas import SECURED
from api.services import Services, services
from api.workers import Heartbeat
from overheard.store import jobs
from overheard.store.keys import Role
from worker import names

blueprint = APIBlueprint(
    "metrics", __name__, abp_tags=[{"name": "metrics", "description": "For Prometheus"}], abp_security=SECURED
)


@blueprint.get("/metrics", summary="Prometheus text format")
@requires(Role.viewer)
def metrics() -> Response:
    shared = CollectorRegistry()
    shared.register(_Shared(services()))
    return Response(generate_latest(REGISTRY) + generate_latest(shared), content_type=CONTENT_TYPE_LATEST)


class _Shared:
    """What all processes share, read when it is asked for: queues, jobs, workers."""

    def __init__(self, house: Services) -> None:
        self._house = house

    def collect(self) -> Iterator[Metric]:
        redis = self._house.redis
        queues = GaugeMetricFamily("overheard_queue_messages", "Messages that wait in a queue", labels=["queue"])
        for queue in sorted(set(names.QUEUES.values())):
            queues.add_metric([queue], redis.llen(queue))
        yield queues
        by_state = GaugeMetricFamily("overheard_jobs", "Jobs kept, by state", labels=["state"])
        with self._house.database.read() as session:
            counts, queued = jobs.counts(session), jobs.backlog(session)
        for state in jobs.UNFINISHED + jobs.FINISHED:
            by_state.add_metric([state], counts.get(state, 0))
        yield by_state
        yield GaugeMetricFamily(
            "overheard_queued_messages", "Messages that unfinished jobs have to score", value=queued
        )
        yield from _of_workers(self._house.desk.crew.living())
        redelivered = int(redis.get(names.REDELIVERIES) or 0)
        yield CounterMetricFamily(
            "overheard_redeliveries", "Messages whose first worker never acknowledged them", value=redelivered
        )


def _of_workers(beats: list[Heartbeat]) -> Iterator[Metric]:
    """What each scoring worker says of itself, by its node name."""
    ages = GaugeMetricFamily("overheard_worker_heartbeat_age_seconds", "Per scoring worker", labels=["worker", "model"])
    rates = GaugeMetricFamily(
        "overheard_worker_rate", "Messages per second that it scores when busy", labels=["worker"]
    )
    sizes = GaugeMetricFamily("overheard_score_cache_bytes", "Memory of its cache of scores", labels=["worker"])
    lookups = CounterMetricFamily(
        "overheard_score_cache_lookups", "Texts looked up in its cache, by result", labels=["worker", "result"]
    )
    for beat in beats:
        ages.add_metric([beat.worker, beat.model], beat.age_s)
        rates.add_metric([beat.worker], beat.rate)
        sizes.add_metric([beat.worker], beat.cache_bytes)
        lookups.add_metric([beat.worker, "hit"], beat.cache_hits)
        lookups.add_metric([beat.worker, "miss"], beat.cache_lookups - beat.cache_hits)
    yield from (ages, rates, sizes, lookups)
