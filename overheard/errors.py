"""Every error that Overheard raises on purpose, in one tree. Facts are attributes; HTTP statuses live in `api` alone.

OverheardError
├── SettingsError         a setting has a value that can't be used
├── DataError             a file or data set can't be used
├── BundleError           a model bundle is missing, damaged or of another kind
├── PublishFailed         a model did not get to the Hub
├── NotDelivered          a notice did not get to its recipient
├── NotFound              a row that a caller named does not exist
├── NotSigned             a push whose signature is missing, wrong or old
├── Conflict              what was asked for contradicts the present state
│   └── TrainingRuns      one training is unfinished, and there is never a second
├── TrainingFailed        a training came to no end; its job says why
├── TrainingStopped       nobody wants this training any more
├── NoRoom                a disk or a database is full
├── NoMemory              a machine or a device has too little memory
├── SourceError           a platform gave no posts
│   ├── SourceBusy        it says when to come back
│   ├── SourceRefused     it wants something of the operator: a key, credit, another query
│   └── SourceDown        no answer, or one that makes no sense: tried again, later and later
├── ScoringUnavailable    nobody scored the texts in time
├── ScoringFailed         a worker said that these texts can't be scored
└── StackError            the local stack can't start, or has stopped
"""

from datetime import datetime


class OverheardError(Exception):
    """Root of the tree: its message is one line that says what to do."""


class SettingsError(OverheardError):
    """Raised when the environment holds a value that can't be used."""


class DataError(OverheardError):
    """Raised when a file or a data set can't be read, or lacks what is needed."""


class BundleError(OverheardError):
    """Raised when a model bundle is missing, damaged, or not of this kind."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"model bundle {path}: {reason}")
        self.path, self.reason = path, reason


class PublishFailed(OverheardError):
    """Raised when a model did not get to the Hub. can_retry: whether the same call may succeed later."""

    def __init__(self, repository: str, reason: str, *, can_retry: bool) -> None:
        super().__init__(f"publishing to {repository} failed: {reason}")
        self.repository, self.reason, self.can_retry = repository, reason, can_retry


class NotDelivered(OverheardError):
    """Raised when a notice did not get to its recipient; the message says why and holds no secret of the recipient."""


class NotFound(OverheardError):
    """Raised when a row that a caller named does not exist."""

    def __init__(self, kind: str, key: str, advice: str = "") -> None:
        super().__init__(f"no {kind} {key!r}" + (f": {advice}" if advice else ""))
        self.kind, self.key = kind, key


class NotSigned(OverheardError):
    """Raised when posts were pushed with a signature that is missing, wrong or too old; the message says which."""


class Conflict(OverheardError):
    """Raised when what was asked for contradicts the present state."""


class TrainingRuns(Conflict):
    """Raised when a training is asked for while another is unfinished."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"training {job_id} is unfinished: wait for it, or cancel it with DELETE /jobs/{job_id}")
        self.job_id = job_id


class TrainingFailed(OverheardError):
    """Raised when a training failed, to whoever runs it."""


class TrainingStopped(OverheardError):
    """Raised inside of a training that was cancelled, or that another worker has taken over."""


class NoRoom(OverheardError):
    """Raised when a disk or a database is full."""


class NoMemory(OverheardError):
    """Raised when a machine or a device has too little memory for what it was asked."""


class SourceError(OverheardError):
    """Raised when a platform gave no posts. source: the collector's name."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source}: {reason}")
        self.source, self.reason = source, reason


class SourceBusy(SourceError):
    """Raised when a platform says when to come back, as by a rate limit."""

    def __init__(self, source: str, reason: str, retry_at: datetime) -> None:
        super().__init__(source, reason)
        self.retry_at = retry_at


class SourceRefused(SourceError):
    """Raised when asking again is no use before somebody acts. advice: what the operator should do."""

    def __init__(self, source: str, reason: str, advice: str) -> None:
        super().__init__(source, f"{reason}: {advice}")
        self.advice = advice


class SourceDown(SourceError):
    """Raised when a platform did not answer, failed, or answered with something that makes no sense."""


class ScoringUnavailable(OverheardError):
    """Raised when nobody scored the texts in time: no worker, no Redis, or too many waiters."""

    def __init__(self, reason: str, retry_after_s: int) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class ScoringFailed(OverheardError):
    """Raised when a worker said that these texts can't be scored, after the attempts that it was allowed."""


class StackError(OverheardError):
    """Raised when the local stack can't start or has stopped; the message says what to do."""
