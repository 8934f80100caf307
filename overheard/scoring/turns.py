"""Who may do bulk work now: so little at a time that threads stay free for those who wait."""

import threading
from collections import deque


class Turns:
    """At most `slots` slices of jobs at a time in this process; jobs that come meanwhile take turns.

    Nothing here has to survive: a job that is forgotten with its process is found by the reaper.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._waiting: deque[str] = deque()
        self._lock = threading.Lock()

    def begin(self, job_id: str) -> bool:
        """True: go on, and call `end`. False: the job waits for its turn, once however often it asks."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            if job_id not in self._waiting:
                self._waiting.append(job_id)
            return False

    def end(self) -> str | None:
        """The job whose turn it is now: send its message again."""
        with self._lock:
            self._free += 1
            return self._waiting.popleft() if self._waiting else None
