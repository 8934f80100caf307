"""Celery's settings; `worker.app` loads this module when they are first needed. Why: docs/architecture.md."""

import ssl

from overheard.settings import Settings
from worker import names, parking

_settings = Settings.load()

broker_url = result_backend = _settings.broker_url
if broker_url.startswith("rediss://"):  # a bare rediss:// does not verify certificates
    broker_use_ssl = redis_backend_use_ssl = {"ssl_cert_reqs": ssl.CERT_REQUIRED}

parking.use()

include = [f"worker.tasks.{name}" for name in ("score", "jobs", "listen", "train", "watch", "audit", "alert", "notify")]
task_routes = {task: {"queue": queue} for task, queue in names.QUEUES.items()}
task_default_queue = names.IO
accept_content = ["json"]
task_acks_late = True
task_ignore_result = True  # tasks that report do it themselves, by `worker.report`: a publisher would subscribe
result_expires = 86_400

worker_prefetch_multiplier = 1
worker_send_task_events = True
task_send_sent_event = True
worker_hijack_root_logger = False
worker_consumer = "worker.careful:Careful"
worker_enable_remote_control = True
worker_cancel_long_running_tasks_on_connection_loss = False

broker_transport_options = {
    "socket_timeout": 10,  # none by default: a dead server would hold its clients for ever
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 15,
}
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_channel_error_retry = True  # ReadOnlyError, OutOfMemory
redis_socket_timeout = 10
redis_socket_connect_timeout = 5
redis_retry_on_timeout = True

beat_scheduler = "worker.timetable.Timetable"
beat_max_loop_interval = 5
redbeat_redis_url = broker_url
redbeat_redis_options = broker_transport_options
redbeat_key_prefix = "overheard:redbeat:"
redbeat_lock_timeout = 30
