"""What this API process counts for Prometheus."""

from time import perf_counter

from flask import Flask, Response, g, request
from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Histogram(
    "overheard_http_request_seconds",
    "Time from a request's arrival to its answer, by route and status",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
MESSAGES = Counter("overheard_messages_total", "Messages answered by /inference while the client waited")
WAITING = Gauge("overheard_waiting_requests", "Requests that wait for scores now")
SENT = Counter("overheard_scoring_tasks_total", "Tasks sent to scoring workers with the texts of waiting requests")
RESENT = Counter("overheard_resent_parts_total", "Parts that were sent again because no answer came in time")


def watch(app: Flask) -> None:
    @app.before_request
    def _arrived() -> None:
        g.arrived = perf_counter()

    @app.after_request
    def _answered(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "unknown"
        REQUESTS.labels(request.method, route, response.status_code).observe(perf_counter() - g.arrived)
        return response
