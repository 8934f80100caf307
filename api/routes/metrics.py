"""For Prometheus: `/metrics`."""

from collections.abc import Iterator
from datetime import UTC, datetime

from flask import Response
from flask_openapi import APIBlueprint
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from api.auth import requires
from api.schemas import SECURED
from api.services import Services, services
from api.workers import Heartbeat
from overheard.alerts.rules import KINDS
from overheard.budget import BUDGETED, Forecast, budget_of, forecast
from overheard.store import incidents, inspections, jobs, outbox, unscored, watches
from overheard.store.keys import Role
from worker import names

blueprint = APIBlueprint(
    "metrics", __name__, abp_tags=[{"name": "metrics", "description": "For Prometheus"}], abp_security=SECURED
)


TEXT = {"description": "The metrics", "content": {"text/plain": {"schema": {"type": "string"}}}}


@blueprint.get("/metrics", summary="Prometheus text format", responses={200: TEXT})
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
        yield from self._of_listening()
        yield from self._of_alerts()
        yield self._of_notices()
        set_aside = int(redis.get(names.PARKED_COUNT) or 0)
        yield CounterMetricFamily(
            "overheard_parked_messages", "Messages that no worker could use, and that were set aside", value=set_aside
        )
        redelivered = int(redis.get(names.REDELIVERIES) or 0)
        yield CounterMetricFamily(
            "overheard_redeliveries", "Messages whose first worker never acknowledged them", value=redelivered
        )

    def _of_alerts(self) -> Iterator[Metric]:
        """Open alerts by the kind of their rule, and how long ago anybody looked."""
        opened = GaugeMetricFamily("overheard_open_alerts", "Alerts that are open", labels=["kind"])
        with self._house.database.read() as session:
            counts, last = incidents.count_open(session), watches.last(session, watches.MACHINE)
        for kind in KINDS:
            opened.add_metric([kind], counts.get(kind, 0))
        yield opened
        age = GaugeMetricFamily("overheard_alerts_look_age_seconds", "Since rules were last looked at")
        if last is not None:
            age.add_metric([], (datetime.now(UTC) - last.at).total_seconds())
        yield age

    def _of_listening(self) -> Iterator[Metric]:
        """Feeds by state, posts that wait, and what paid reads come to."""
        settings, now = self._house.settings, datetime.now(UTC)
        feeds = GaugeMetricFamily("overheard_feeds", "Feeds, by source and state", labels=["source", "state"])
        with self._house.database.read() as session:
            waiting = unscored.waiting(session, settings.max_attempts)
            by_state = inspections.count_by_state(session)
            spent = {source: inspections.spent(session, source, now) for source in BUDGETED}
        for (source, state), count in sorted(by_state.items()):
            feeds.add_metric([source, state], count)
        yield feeds
        yield GaugeMetricFamily("overheard_unscored_posts", "Posts that wait for a score", value=waiting.posts)
        yield GaugeMetricFamily(
            "overheard_parked_posts", "Posts that were given up: no model could score them", value=waiting.parked
        )
        budgets = {source: budget_of(source, settings) for source in BUDGETED}
        yield from _of_reads({s: forecast(budget, spent[s], now) for s, budget in budgets.items() if budget})

    def _of_notices(self) -> Metric:
        unsent = GaugeMetricFamily(
            "overheard_notices",
            "Notices that did not get to their recipients, by what becomes of them",
            labels=["state"],
        )
        with self._house.database.read() as session:
            for state, count in outbox.counts(session).items():
                unsent.add_metric([state], count)
        return unsent


def _of_reads(forecasts: dict[str, Forecast]) -> Iterator[Metric]:
    """Of the sources whose reads cost money."""
    for name, field, what in (
        ("reads", "spent", "Posts that were read this month"),
        ("reads_forecast", "reads", "What that comes to by the month's end"),
        ("reads_budget", "budget", "What it may come to"),
        ("reads_forecast_dollars", "dollars", "What the forecast costs"),
    ):
        family = GaugeMetricFamily(f"overheard_{name}", what, labels=["source"])
        for source, told in forecasts.items():
            family.add_metric([source], getattr(told, field))
        yield family


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
