"""`python -m worker.alive ml|io|train|beat`: exit status 0 while this machine's process of that kind is well.

For containers' health checks. A worker is well while its heartbeat is fresh; Beat, while one of them leads, here or
elsewhere. A second worker of a kind is asked for by its name: `python -m worker.alive ml second`.
"""

import sys

from redis import Redis, RedisError

from overheard.errors import SettingsError
from overheard.settings import Settings
from worker import names
from worker.living import heard_of, node

HEARTBEATS = {"ml": names.HEARTBEATS, "io": names.HOUSEKEEPERS, "train": names.TRAINERS}
KINDS = (*HEARTBEATS, "beat")


def is_well(redis: Redis, kind: str, name: str) -> bool:
    """Raises RedisError."""
    if kind == "beat":
        from worker.timetable import is_led  # half a second that only this kind needs

        return is_led()
    return node(name) in heard_of(redis, HEARTBEATS[kind])


def main() -> None:
    kind, *name = sys.argv[1:] or [""]
    if kind not in KINDS or len(name) > (kind in HEARTBEATS):
        sys.exit(
            f"usage: python -m worker.alive {'|'.join(KINDS)}, with the name of a second {' or '.join(HEARTBEATS)}"
        )
    try:
        redis = Redis.from_url(Settings.load().broker_url, socket_timeout=5, socket_connect_timeout=5)
        is_alive = is_well(redis, kind, name[0] if name else kind)
    except (RedisError, SettingsError) as error:
        sys.exit(f"Redis does not say: {error}")
    if not is_alive:
        sys.exit(f"{kind} was not heard of within {names.HEARTBEAT_MAX_AGE_S} s")


if __name__ == "__main__":
    main()
